"""Conversion between the ROS clock of the stamps and the steady clock of the timing.

Without `/clock` the clocks differ by an offset. The `/clock` of a simulator runs at a real-time
factor that may vary.
"""

import numpy as np
from numpy.typing import NDArray

from dbp_ros.runtime.clock_estimator import ClockLine
from dbp_ros.runtime.stamps import NO_CLOCK_NS, UNSTAMPED_NS

# Lower bound of the real-time factor for timeouts.
MIN_FACTOR = 0.05
# Larger differences are not scaled: such stamps are not of the same run of a simulator.
FAR_NS = 60_000_000_000
# Smallest number of recorded stamps.
RECORDED_STAMPS = 1024

SAME_CLOCK = ClockLine(0, 0, 1.0)


class ClockMapping:
    """Conversion of times and durations between the ROS clock and the steady clock.

    A recorded stamp is converted back exactly, even if the relation has changed. Thread-safe.

    Attributes:
        line: Relation between the clocks, replaced as a whole; None while the ROS clock has none.
    """

    def __init__(self, line: ClockLine | None = SAME_CLOCK) -> None:
        """Start with a relation; by default the clocks are equal."""
        self.line = line
        self._stamps: dict[int, int] = {}
        self._older_stamps: dict[int, int] = {}

    @property
    def factor(self) -> float:
        """Real-time factor: seconds of the ROS clock per second of the steady clock."""
        return 1.0 if self.line is None else self.line.factor

    @property
    def slowdown(self) -> float:
        """Inverse of the real-time factor, at least 1."""
        return max(1.0, 1.0 / max(self.factor, MIN_FACTOR))

    def steady_ns(self, ros_ns: int) -> int:
        """Convert a stamp to the steady clock; see `dbp_ros.runtime.stamps` for invalid stamps."""
        line = self.line
        if ros_ns == 0:
            return UNSTAMPED_NS
        if line is None:
            return NO_CLOCK_NS
        since_ns = ros_ns - line.ros_ns
        return line.steady_ns + since_ns if abs(since_ns) > FAR_NS else line.steady_at(ros_ns)

    def record_stamp(self, ros_ns: int) -> int:
        """Convert a stamp to the steady clock, and record it for `ros_ns`."""
        steady_ns = self.steady_ns(ros_ns)
        if len(self._stamps) >= RECORDED_STAMPS:
            self._older_stamps, self._stamps = self._stamps, {}
        self._stamps[steady_ns] = ros_ns
        return steady_ns

    def ros_ns(self, steady_ns: int) -> int:
        """Convert a time to the ROS clock, exactly if it is a recorded stamp.

        It is 0 while the ROS clock has no time.
        """
        for stamps in (self._stamps, self._older_stamps):
            if steady_ns in stamps:
                return stamps[steady_ns]
        return self.line.ros_at(steady_ns) if self.line else 0

    def steady_durations_ns(self, ros_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Convert durations in [ns] from the ROS clock to the steady clock."""
        return _scaled(ros_ns, 1.0 / self.factor)

    def ros_durations_ns(self, steady_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Convert durations in [ns] from the steady clock to the ROS clock."""
        return _scaled(steady_ns, self.factor)


def _scaled(durations_ns: NDArray[np.int64], factor: float) -> NDArray[np.int64]:
    return durations_ns if factor == 1.0 else np.rint(durations_ns * factor).astype(np.int64)
