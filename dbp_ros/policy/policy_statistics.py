"""Statistics of policy execution: rates, durations and image latencies."""

from collections.abc import Sequence
from typing import Any

from dbp_ros.telemetry.frame_latency import FrameLatency
from dbp_ros.telemetry.latency import Histogram, PeriodRecorder
from dbp_ros.telemetry.trace import Trace


class PolicyStatistics:
    """Statistics of one robot's policy, across models.

    Attributes:
        encoding: Durations of image encodings.
        inference: Durations of inferences of the head.
        image_age: Age of the newest image at each inference.
        period: Intervals between inferences.
        frame_latency: Latency of images by stage.
    """

    def __init__(self, cameras: Sequence[str], trace: Trace, period_ns: int) -> None:
        """Start without data.

        Args:
            cameras: In the order of the image stamps of a chunk.
            trace: Receives the spans of images and steps.
            period_ns: Nominal interval between inferences.
        """
        self.encoding = Histogram()
        self.inference = Histogram()
        self.image_age = Histogram()
        self.period = PeriodRecorder(period_ns)
        self.frame_latency = FrameLatency(cameras, trace)

    def set_period(self, period_ns: int) -> None:
        """Restart the statistics of the period if its nominal value changes."""
        if self.period.period_ns != period_ns:
            self.period = PeriodRecorder(period_ns)

    def summary(self) -> dict[str, Any]:
        """Return all statistics, JSON-serialisable."""
        return {
            "decisions": self.inference.count,
            "decision_period": self.period.statistics(),
            "decision_ms": self.frame_latency.step_duration.summary_ms(),
            "inference_ms": self.inference.summary_ms(),
            "encoding_ms": self.encoding.summary_ms(),
            "encoded_images": self.encoding.count,
            "image_age_at_decision_ms": self.image_age.summary_ms(),
            "reaction_path_ms": self.frame_latency.summary_ms(),
            "inference_bars": self.inference.bars_ms(),
        }

    def clear(self) -> None:
        """Delete all data."""
        for recorder in (
            self.encoding,
            self.inference,
            self.image_age,
            self.period,
            self.frame_latency,
        ):
            recorder.clear()
