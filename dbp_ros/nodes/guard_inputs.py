"""Inputs of the guard: joint states and chunks, polled in the command loop."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Int64MultiArray
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.errors import CommandError, ObservationError
from dbp_ros.nodes.controller_monitor import publisher_names
from dbp_ros.nodes.conversions import ChunkReader, JointReader
from dbp_ros.nodes.image_stamps import TOPIC, ImageStampsReader
from dbp_ros.nodes.polled_subscriptions import PolledSubscriptions
from dbp_ros.nodes.qos import JOINT_STATES
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.runtime.stamps import StampCheck
from dbp_ros.sensing.joint_states import JointStateMerger, JointStates, PublisherConflictDetector
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.telemetry.trace import Hop, LatencyProbe, Trace
from dbp_ros.types import NS_PER_S, ActionChunk, seconds_to_ns

WHOLE = frozenset({0})
JOINTS, CHUNKS = "joint_states", "action_chunk"
# Largest number of joints in a sentence.
MAX_NAMED = 3


class GuardInputs:
    """Polled subscriptions of the guard, with the problems of their messages.

    One thread calls `poll`; the other methods are thread-safe.

    Attributes:
        received: Age of an image at the arrival of its first chunk.
        refused_joint_states: Number of messages with invalid content or stamp.
        damaged_chunks: Number of chunks that could not be deserialised.
    """

    def __init__(self, node: Node, config: GuardConfig, clock: SteadyClock, trace: Trace) -> None:
        self.received = LatencyProbe(Hop.RECEIVED, trace)
        self.refused_joint_states = 0
        self.damaged_chunks = 0
        self._node = node
        self._clock = clock
        self._trace = trace
        self._timeout_ns = seconds_to_ns(config.joint_state_timeout_s)
        self._joint_reader = JointReader(config.joints)
        self._joints = config.joints
        self._merger = JointStateMerger(config.joints)
        self._stamps = StampCheck(JOINTS, self._timeout_ns)
        self._chunk_reader = ChunkReader(config.joints, clock)
        self._image_stamps = ImageStampsReader(clock)
        loss_ns = seconds_to_ns(config.joint_state_loss_s)
        self._conflicts = {
            JOINTS: PublisherConflictDetector(loss_ns),
            CHUNKS: PublisherConflictDetector(),
        }
        self._problems = {JOINTS: "", CHUNKS: ""}
        self._recorded_ns = {JOINTS: 0, CHUNKS: 0}
        self._restarted: frozenset[int] = frozenset()
        self._new_states: JointStates | None = None
        self._new_chunk: tuple[ActionChunk, int] | None = None
        self._read_chunk: tuple[ActionChunk, int] | None = None
        self._subscriptions = PolledSubscriptions(node)
        self._subscriptions.subscribe(JointState, JOINTS, self._on_joint_states, JOINT_STATES)
        self._subscriptions.subscribe(JointTrajectory, CHUNKS, self._on_chunk, JOINT_STATES)
        # After the chunks: the policy publishes the stamps before the chunk.
        self._subscriptions.subscribe(Int64MultiArray, TOPIC, self._on_image_stamps, JOINT_STATES)

    def poll(self) -> None:
        """Receive the queued messages."""
        self._subscriptions.poll()
        if self._read_chunk is not None:
            (chunk, arrival_ns), self._read_chunk = self._read_chunk, None
            stamps_ns = self._image_stamps.stamps_of(chunk)
            self._new_chunk = (replace(chunk, image_stamps_ns=stamps_ns), arrival_ns)
            self.received.record(stamps_ns, arrival_ns)

    def take_states(self) -> JointStates | None:
        """Return the positions of all joints, if some are new."""
        states, self._new_states = self._new_states, None
        return states

    def take_restarted_joints(self) -> frozenset[int]:
        """Return the indices of joints whose publisher was restarted since the last call."""
        restarted, self._restarted = self._restarted, frozenset()
        return restarted

    def take_chunk(self, accept: Callable[[ActionChunk, int], None]) -> None:
        """Pass the newest chunk and its arrival to `accept`, if it is new; record a refusal."""
        chunk, self._new_chunk = self._new_chunk, None
        if chunk is None:
            return
        try:
            accept(*chunk)
            self._problems[CHUNKS] = ""
        except CommandError as error:
            self._record_problem(CHUNKS, str(error), chunk[1])

    def problems(self, now_ns: int) -> list[str]:
        """Return the problems of the inputs, one sentence per cause."""
        missing = self._merger.problem(now_ns, self._timeout_ns)
        # Without a clock no stamp is valid.
        refused = self._clock.problem or self._problems[JOINTS]
        return list(filter(None, (refused, "" if refused else missing, self._problems[CHUNKS])))

    def conflicting_topic(self, now_ns: int) -> str:
        """Return the topic on which two publishers send the same data; empty if there is none."""
        return next((t for t, conflict in self._conflicts.items() if conflict.detected(now_ns)), "")

    def describe_conflict(self, topic: str) -> str:
        """Return a sentence about the publishers of the conflicting topic."""
        names = ", ".join(publisher_names(self._node, topic))
        what = "the same data"
        if topic == JOINTS:
            shared = [self._joints[k] for k in sorted(self._conflicts[topic].conflicting)]
            what = ", ".join(shared[:MAX_NAMED]) + (
                " and others" if len(shared) > MAX_NAMED else ""
            )
        return f"two publishers send {what} on {topic} ({names}): end all but one"

    def _on_joint_states(self, message: bytes) -> None:
        now_ns = self._clock.now_ns()
        try:
            readings = self._joint_reader.read(message)
        except ObservationError as error:
            self._refuse(str(error), now_ns)
            return
        if readings is None:
            return
        joints = frozenset(readings.indices.tolist())
        restarted = self._conflicts[JOINTS].add(joints, self._subscriptions.sequence, now_ns)
        stamp_ns = self._clock.steady_ns(readings.stamp_ns)
        slowdown = self._clock.mapping.slowdown
        if problem := self._stamps.problem(stamp_ns, now_ns, slowdown):
            self._refuse(problem, now_ns)
            return
        self._problems[JOINTS] = ""
        self._restarted |= restarted
        self._merger.add(readings, now_ns)
        self._new_states = self._merger.latest()

    def _refuse(self, problem: str, now_ns: int) -> None:
        self.refused_joint_states += 1
        self._record_problem(JOINTS, problem, now_ns)

    def _record_problem(self, topic: str, problem: str, now_ns: int) -> None:
        """Record a problem, at most one per second: sentences may differ in their numbers."""
        if not self._problems[topic] or now_ns - self._recorded_ns[topic] >= NS_PER_S:
            self._problems[topic], self._recorded_ns[topic] = problem, now_ns

    def _on_chunk(self, message: bytes) -> None:
        arrival_ns = self._clock.now_ns()
        self._conflicts[CHUNKS].add(WHOLE, self._subscriptions.sequence, arrival_ns)
        try:
            chunk = self._chunk_reader.read(message)
        except CommandError as error:
            self.damaged_chunks += 1
            self._record_problem(CHUNKS, str(error), arrival_ns)
            return
        self._read_chunk = (chunk, arrival_ns)
        self._trace.add_span(Hop.RECEIVED, arrival_ns, self._clock.now_ns())

    def _on_image_stamps(self, message: bytes) -> None:
        # Without the stamps only the latency statistics are incomplete.
        with suppress(ObservationError):
            self._image_stamps.add(message)
