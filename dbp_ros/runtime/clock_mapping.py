"""Relation between the ROS clock, on which messages are stamped, and the steady clock.

Everything is decided on the steady clock. Without `/clock` the two differ by an offset. The
`/clock` of a simulator runs at a real time factor of its own, which may vary.
"""

import numpy as np
from numpy.typing import NDArray

from dbp_ros.runtime.clock_estimator import ClockLine
from dbp_ros.runtime.stamps import NO_CLOCK_NS, UNSTAMPED_NS

# A simulator that is slower than this is treated as if it ran at this factor.
SLOWEST_FACTOR = 0.05
# Differences beyond this are not stretched: such stamps are not of the same run of a simulator.
FAR_NS = 60_000_000_000
# How many stamps are kept at least.
KNOWN_STAMPS = 1024

SAME_CLOCK = ClockLine(0, 0, 1.0)


class ClockMapping:
    """Conversion of times and durations between the ROS clock and the steady clock.

    A stamp that was kept is converted back to the very same stamp, also if the relation has
    changed since. Any thread may convert.

    Attributes:
        line: Relation between the clocks, replaced as a whole; None while the ROS clock has none.
    """

    def __init__(self, line: ClockLine | None = SAME_CLOCK) -> None:
        """Start with a relation; by default both clocks are the same."""
        self.line = line
        self._known: dict[int, int] = {}
        self._known_before: dict[int, int] = {}

    @property
    def factor(self) -> float:
        """Seconds of the ROS clock in one of the steady clock: the real time factor."""
        return 1.0 if self.line is None else self.line.factor

    @property
    def slowdown(self) -> float:
        """How much longer a simulator that is slower than real time takes; at least 1."""
        return max(1.0, 1.0 / max(self.factor, SLOWEST_FACTOR))

    def steady_ns(self, ros_ns: int) -> int:
        """Return a stamp on the steady clock; see `dbp_ros.runtime.stamps` for invalid stamps."""
        line = self.line
        if ros_ns == 0:
            return UNSTAMPED_NS
        if line is None:
            return NO_CLOCK_NS
        since_ns = ros_ns - line.ros_ns
        return line.steady_ns + since_ns if abs(since_ns) > FAR_NS else line.steady_at(ros_ns)

    def keep(self, ros_ns: int) -> int:
        """Return a stamp on the steady clock, for `ros_ns` to return that very stamp again."""
        steady_ns = self.steady_ns(ros_ns)
        if len(self._known) >= KNOWN_STAMPS:
            self._known_before, self._known = self._known, {}
        self._known[steady_ns] = ros_ns
        return steady_ns

    def ros_ns(self, steady_ns: int) -> int:
        """Return a time of the steady clock on the ROS clock: the very stamp where it was kept.

        It is 0 while the ROS clock has no time.
        """
        for known in (self._known, self._known_before):
            if steady_ns in known:
                return known[steady_ns]
        return self.line.ros_at(steady_ns) if self.line else 0

    def steady_durations_ns(self, ros_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how long durations of the ROS clock take on the steady clock, in [ns]."""
        return _scaled(ros_ns, 1.0 / self.factor)

    def ros_durations_ns(self, steady_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how much passes on the ROS clock in durations of the steady clock, in [ns]."""
        return _scaled(steady_ns, self.factor)


def _scaled(durations_ns: NDArray[np.int64], factor: float) -> NDArray[np.int64]:
    return durations_ns if factor == 1.0 else np.rint(durations_ns * factor).astype(np.int64)
