"""Latency of images in the policy process, by stage."""

from collections.abc import Sequence

from dbp_ros.telemetry.latency import Histogram
from dbp_ros.telemetry.trace import Hop, LatencyProbe, Trace


class FrameLatency:
    """Age of each image at arrival, after encoding, and after its first chunk is published.

    Each method belongs to one thread: callbacks, encoder, decision loop.

    Attributes:
        step_duration: Durations from the start of a step to the published chunk.
    """

    def __init__(self, cameras: Sequence[str], trace: Trace) -> None:
        """Start without data.

        Args:
            cameras: In the order of the image stamps of a chunk.
            trace: Receives the spans.
        """
        self.step_duration = Histogram()
        self._trace = trace
        self._indices = {camera: index for index, camera in enumerate(cameras)}
        self._arrived = Histogram()
        self._encoded = Histogram()
        self._decided = LatencyProbe(Hop.DECIDED, trace)

    def record_arrival(self, camera: str, stamp_ns: int, start_ns: int, end_ns: int) -> None:
        """Record that an image arrived at `start_ns` and was queued at `end_ns`."""
        self._arrived.record(start_ns - stamp_ns)
        self._trace.add_span(Hop.ARRIVED, start_ns, end_ns, self._indices[camera], stamp_ns)

    def record_encoding(self, camera: str, stamp_ns: int, start_ns: int, end_ns: int) -> None:
        """Record the encoding of an image."""
        self._encoded.record(end_ns - stamp_ns)
        self._trace.add_span(Hop.ENCODED, start_ns, end_ns, self._indices[camera], stamp_ns)

    def record_step(self, stamps_ns: Sequence[int], start_ns: int, end_ns: int) -> None:
        """Record that a chunk computed from the images with these stamps was published."""
        self.step_duration.record(end_ns - start_ns)
        self._trace.add_span(Hop.DECIDED, start_ns, end_ns)
        self._decided.record(stamps_ns, end_ns)

    def summary_ms(self) -> dict[str, dict[str, float | None]]:
        """Return the ages of images at each stage, in [ms]."""
        ages = {"arrived": self._arrived, "encoded": self._encoded, "decided": self._decided.age}
        return {stage: age.summary_ms() for stage, age in ages.items()}

    def clear(self) -> None:
        """Delete all data."""
        for times in (self._arrived, self._encoded, self._decided.age, self.step_duration):
            times.clear()
