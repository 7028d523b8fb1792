"""The way of pictures through the policy: how old each is at every hop, and what took how long."""

from collections.abc import Sequence

from dbp_ros.telemetry.latency import Histogram
from dbp_ros.telemetry.trace import Hop, LatencyProbe, Trace


class FrameLatency:
    """Keeps the age of every picture when it arrives, is encoded, and first decided from.

    Each method belongs to one thread: that of the callbacks, of the encoder, of the decisions.

    Attributes:
        decision_time: From the beginning of a decision to its chunk sent.
    """

    def __init__(self, cameras: Sequence[str], trace: Trace) -> None:
        """Begin.

        Args:
            cameras: In the order in which a chunk tells their stamps.
            trace: To record into.
        """
        self.trace = trace
        self._numbers = {camera: number for number, camera in enumerate(cameras)}
        self._arrived = Histogram()
        self._encoded = Histogram()
        self._decided = LatencyProbe(Hop.DECIDED, trace)
        self.decision_time = Histogram()

    def arrive(self, camera: str, stamp_ns: int, start_ns: int, end_ns: int) -> None:
        """Note that a picture came at `start_ns` and was handed on at `end_ns`."""
        self._arrived.record(start_ns - stamp_ns)
        self.trace.span(Hop.ARRIVED, start_ns, end_ns, self._numbers[camera], stamp_ns)

    def encode(self, camera: str, stamp_ns: int, start_ns: int, end_ns: int) -> None:
        """Note that a picture was encoded."""
        self._encoded.record(end_ns - stamp_ns)
        self.trace.span(Hop.ENCODED, start_ns, end_ns, self._numbers[camera], stamp_ns)

    def decide(self, stamps_ns: Sequence[int], start_ns: int, end_ns: int) -> None:
        """Note that a chunk was made from the pictures with these stamps, and sent."""
        self.decision_time.record(end_ns - start_ns)
        self.trace.span(Hop.DECIDED, start_ns, end_ns)
        self._decided.note(stamps_ns, end_ns)

    def summary_ms(self) -> dict[str, dict[str, float | None]]:
        """Return how old pictures were at each hop, in [ms]."""
        ages = {"arrived": self._arrived, "encoded": self._encoded, "decided": self._decided.age}
        return {hop: age.summary_ms() for hop, age in ages.items()}

    def clear(self) -> None:
        """Start the numbers anew."""
        for times in (self._arrived, self._encoded, self._decided.age, self.decision_time):
            times.clear()
