"""Inputs of the guard: joint states and chunks, polled in the command loop."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Int64MultiArray

from dbp_ros.errors import ObservationError
from dbp_ros.nodes.chunk_input import ChunkInput, LatestProblem
from dbp_ros.nodes.conversions import JointReader
from dbp_ros.nodes.endpoints import publisher_names
from dbp_ros.nodes.image_stamps import TOPIC, ImageStampsReader
from dbp_ros.nodes.polled_subscriptions import PolledSubscriptions
from dbp_ros.nodes.qos import JOINT_STATES
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.runtime.stamps import StampCheck
from dbp_ros.sensing.joint_states import JointStateMerger, JointStates, PublisherConflictDetector
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.telemetry.trace import Hop, LatencyProbe, Trace
from dbp_ros.types import ActionChunk, seconds_to_ns

JOINTS, CHUNKS, OPERATOR_CHUNKS = "joint_states", "action_chunk", "operator_chunk"
# Largest number of joints in a sentence.
MAX_NAMED = 3


class GuardInputs:
    """Polled subscriptions of the guard, with the problems of their messages.

    The caller serialises `poll` and the `take_` methods; the other methods are thread-safe.

    Attributes:
        received: Age of an image at the arrival of its first chunk.
        refused_joint_states: Number of messages with invalid content or stamp.
    """

    def __init__(self, node: Node, config: GuardConfig, clock: SteadyClock, trace: Trace) -> None:
        self.received = LatencyProbe(Hop.RECEIVED, trace)
        self.refused_joint_states = 0
        self._node = node
        self._clock = clock
        self._timeout_ns = seconds_to_ns(config.joint_state_timeout_s)
        self._joint_reader = JointReader(config.joints)
        self._joints = config.joints
        self._merger = JointStateMerger(config.joints)
        self._stamps = StampCheck(JOINTS, self._timeout_ns)
        self._image_stamps = ImageStampsReader(clock)
        loss_ns = seconds_to_ns(config.joint_state_loss_s)
        self._problem = LatestProblem()
        self._restarted: frozenset[int] = frozenset()
        self._new_states: JointStates | None = None
        self._new_chunk: tuple[ActionChunk, int] | None = None
        self._subscriptions = PolledSubscriptions(node)
        self._subscriptions.subscribe(JointState, JOINTS, self._on_joint_states, JOINT_STATES)
        self._chunks, self._operator_chunks = (
            ChunkInput(topic, config.joints, clock, trace, self._subscriptions)
            for topic in (CHUNKS, OPERATOR_CHUNKS)
        )
        self._conflicts = {
            JOINTS: PublisherConflictDetector(loss_ns),
            **{chunks.topic: chunks.conflict for chunks in (self._chunks, self._operator_chunks)},
        }
        # After the chunks: the policy publishes the stamps before the chunk.
        self._subscriptions.subscribe(Int64MultiArray, TOPIC, self._on_image_stamps, JOINT_STATES)

    def poll(self) -> None:
        """Receive the queued messages."""
        self._subscriptions.poll()
        if (new := self._chunks.take()) is not None:
            chunk, arrival_ns = new
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

    def take_chunks(self, accept: Callable[..., None]) -> None:
        """Pass new chunks and their arrival to `accept`; record a refusal.

        Args:
            accept: Called with chunk, arrival, and `by_operator=True` for a chunk of an operator.
        """
        chunk, self._new_chunk = self._new_chunk, None
        if chunk is not None:
            self._chunks.deliver(chunk, accept)
        if (by_operator := self._operator_chunks.take()) is not None:
            self._operator_chunks.deliver(by_operator, partial(accept, by_operator=True))

    def problems(self, now_ns: int, by_operator: bool) -> list[str]:
        """Return the problems of the inputs, one sentence per cause.

        Args:
            now_ns: Present time.
            by_operator: Whether the chunks are those of an operator, not those of the policy.
        """
        missing = self._merger.problem(now_ns, self._timeout_ns)
        # Without a clock no stamp is valid.
        refused = self._clock.problem or self._problem.sentence(now_ns)
        chunks = (self._operator_chunks if by_operator else self._chunks).problem.sentence(now_ns)
        return list(filter(None, (refused, "" if refused else missing, chunks)))

    @property
    def damaged_chunks(self) -> int:
        """Number of chunks that could not be deserialised."""
        return self._chunks.damaged + self._operator_chunks.damaged

    def conflicting_topic(self, now_ns: int) -> str:
        """Return the topic on which two publishers send the same data; empty if there is none."""
        return next((t for t, conflict in self._conflicts.items() if conflict.detected(now_ns)), "")

    def describe_conflict(self, topic: str) -> str:
        """Return a sentence about the publishers of the conflicting topic."""
        names = ", ".join(sorted(set(publisher_names(self._node, topic))))
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
        sequence = self._subscriptions.sequence
        self._restarted |= self._conflicts[JOINTS].add(joints, sequence, now_ns)
        stamp_ns = self._clock.steady_ns(readings.stamp_ns)
        slowdown = self._clock.mapping.slowdown
        if problem := self._stamps.problem(stamp_ns, now_ns, slowdown):
            self._refuse(problem, now_ns)
            return
        self._problem.clear()
        self._merger.add(readings, now_ns)
        self._new_states = self._merger.latest()

    def _refuse(self, problem: str, now_ns: int) -> None:
        self.refused_joint_states += 1
        self._problem.record(problem, now_ns)

    def _on_image_stamps(self, message: bytes) -> None:
        # Without the stamps only the latency statistics are incomplete.
        with suppress(ObservationError):
            self._image_stamps.add(message)
