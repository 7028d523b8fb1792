"""Polled subscription of the guard to chunks of one topic."""

from collections.abc import Callable, Sequence

from trajectory_msgs.msg import JointTrajectory

from dbp_ros.errors import CommandError
from dbp_ros.nodes.conversions import ChunkReader
from dbp_ros.nodes.polled_subscriptions import PolledSubscriptions
from dbp_ros.nodes.qos import JOINT_STATES
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.sensing.joint_states import PublisherConflictDetector
from dbp_ros.telemetry.trace import Hop, Trace
from dbp_ros.types import NS_PER_S, ActionChunk

WHOLE = frozenset({0})


class LatestProblem:
    """Problem of the messages of a topic, until a valid message or a second without any.

    The last chunk before a policy becomes inactive must not prevent that control is enabled.
    """

    def __init__(self) -> None:
        self._sentence = ""
        self._recorded_ns = self._newest_ns = 0

    def record(self, sentence: str, now_ns: int) -> None:
        """Record a problem, at most one per second: sentences may differ in their numbers."""
        if not self.sentence(now_ns) or now_ns - self._recorded_ns >= NS_PER_S:
            self._sentence, self._recorded_ns = sentence, now_ns
        self._newest_ns = now_ns

    def clear(self) -> None:
        """Record a valid message."""
        self._sentence = ""

    def sentence(self, now_ns: int) -> str:
        """Return the problem; empty if there is none."""
        return self._sentence if now_ns - self._newest_ns <= NS_PER_S else ""


class ChunkInput:
    """Newest chunk on a topic, with the problems of its messages and publishers.

    Attributes:
        topic: Name of the topic, relative to the node.
        conflict: Detector of two publishers.
        problem: Problem of the last messages.
        damaged: Number of messages that could not be deserialised.
    """

    def __init__(
        self,
        topic: str,
        joints: Sequence[str],
        clock: SteadyClock,
        trace: Trace,
        subscriptions: PolledSubscriptions,
    ) -> None:
        """Subscribe.

        Args:
            topic: Name of the topic, relative to the node.
            joints: Joints of the guard, in order.
            clock: Converts stamps to steady time.
            trace: Receives the duration of reading a message.
            subscriptions: Subscriptions of the guard.
        """
        self.topic = topic
        self.conflict = PublisherConflictDetector()
        self.problem = LatestProblem()
        self.damaged = 0
        self._reader, self._clock, self._trace = ChunkReader(joints, clock), clock, trace
        self._subscriptions = subscriptions
        self._new: tuple[ActionChunk, int] | None = None
        subscriptions.subscribe(JointTrajectory, topic, self._on_chunk, JOINT_STATES)

    def take(self) -> tuple[ActionChunk, int] | None:
        """Return the newest chunk and its arrival; None if it was returned before."""
        new, self._new = self._new, None
        return new

    def deliver(self, new: tuple[ActionChunk, int], accept: Callable[..., None]) -> None:
        """Pass a chunk and its arrival to `accept`; record a refusal."""
        try:
            accept(*new)
            self.problem.clear()
        except CommandError as error:
            self.problem.record(str(error), new[1])

    def _on_chunk(self, message: bytes) -> None:
        arrival_ns = self._clock.now_ns()
        self.conflict.add(WHOLE, self._subscriptions.sequence, arrival_ns)
        try:
            chunk = self._reader.read(message)
        except CommandError as error:
            self.damaged += 1
            self.problem.record(str(error), arrival_ns)
            return
        self._new = (chunk, arrival_ns)
        self._trace.add_span(Hop.RECEIVED, arrival_ns, self._clock.now_ns())
