"""Statistics of the guard's commands: periods, computation times, and the latency from images."""

from collections.abc import Sequence
from typing import Any

from dbp_ros.telemetry.latency import Histogram, PeriodRecorder
from dbp_ros.telemetry.trace import Hop, LatencyProbe, Trace


class CommandStatistics:
    """Periods and latencies of the commands. One thread records.

    Attributes:
        period: Periods between commands on the steady clock.
    """

    def __init__(self, period_ns: int, trace: Trace) -> None:
        """Start without data.

        Args:
            period_ns: Nominal period on the steady clock.
            trace: Receives the time of each image's first command.
        """
        self.period = PeriodRecorder(period_ns)
        self._image_age = Histogram()
        self._tick_time = Histogram()
        self._image_to_command_latency = LatencyProbe(Hop.COMMANDED, trace)

    def record(self, steady_ns: int, computation_ns: int) -> None:
        """Record a command.

        Args:
            steady_ns: Time of publication on the steady clock.
            computation_ns: Wall time of its computation and publication.
        """
        self.period.record(steady_ns)
        self._tick_time.record(computation_ns)

    def record_images(self, stamps_ns: Sequence[int], newest_ns: int, sent_ns: int) -> None:
        """Record the images of a chunk that a command follows.

        Args:
            stamps_ns: Time of the image of each camera.
            newest_ns: Time of the newest image.
            sent_ns: Time of publication of the command, on the clock of the images.
        """
        self._image_age.record(sent_ns - newest_ns)
        self._image_to_command_latency.record(stamps_ns, sent_ns)

    def summary(self, received: LatencyProbe) -> dict[str, Any]:
        """Return all statistics, JSON-serialisable.

        Args:
            received: Age of an image at the arrival of its first chunk.
        """
        reaction = self._image_to_command_latency.age
        return {
            "command_period": self.period.statistics(),
            "tick_ms": self._tick_time.summary_ms(),
            "image_age_at_command_ms": self._image_age.summary_ms(),
            "image_age_at_command_bars": self._image_age.bars_ms(),
            "reaction_ms": reaction.summary_ms(),
            "reaction_bars": reaction.bars_ms(),
            "reaction_path_ms": {
                "received": received.age.summary_ms(),
                "commanded": reaction.summary_ms(),
            },
        }

    def clear(self) -> None:
        """Delete all data."""
        self.period.clear()
        for times in (self._image_age, self._tick_time, self._image_to_command_latency.age):
            times.clear()
