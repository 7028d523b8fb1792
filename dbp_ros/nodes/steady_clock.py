"""The steady clock, on which everything is decided, for messages stamped on the ROS clock."""

from collections.abc import Mapping
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockChange, JumpHandle, JumpThreshold, ROSClock
from rclpy.duration import Duration

from dbp_ros.runtime.clock_estimator import JUMP_NS, ClockEstimator, ClockLine
from dbp_ros.runtime.clock_mapping import ClockMapping
from dbp_ros.runtime.sim_clock import SimClock
from dbp_ros.types import NS_PER_S

# An offset of the system clock is kept while the clocks part by less, so that stamps map back.
CLOCKS_APART_NS = 1_000_000
# A `/clock` without a new time for this long, and for four of its usual intervals, is reported.
SILENT_NS = 2 * NS_PER_S
# More of a fast `/clock` adds nothing.
SAMPLE_INTERVAL_NS = 4_000_000
EVERY_CHANGE = JumpThreshold(
    min_forward=Duration(nanoseconds=1), min_backward=Duration(nanoseconds=-1)
)


class SteadyClock:
    """Conversion of stamps between the ROS clock and the steady clock.

    A stamp that was converted comes back to the nanosecond: by it a learner finds the very image
    that a decision was made from.

    The steady clock is that of the robot's world, see `dbp_ros.runtime.sim_clock`. Where the ROS
    clock is the system's, the two differ by an offset. Where it is `/clock`, each of its messages
    is compared with the steady clock, and a `ClockEstimator` follows its rate, jumps and stalls. It
    works in real time, in which messages are late, also in a world that is faster.

    Attributes:
        mapping: Relation between the clocks, for what needs no ROS.
    """

    def __init__(self, ros_clock: Clock, sim_clock: SimClock | None = None) -> None:
        """Compare the clocks from now on.

        Args:
            ros_clock: Clock of the stamps.
            sim_clock: Gives the steady time; that of the real world if None.
        """
        self._ros_clock, self._sim_clock = ros_clock, sim_clock or SimClock()
        self._estimator = ClockEstimator(self._sim_clock.real_time_factor)
        self._simulated = False
        self._sampled_ns = 0
        self.mapping = ClockMapping(self._offset_line())
        if isinstance(ros_clock, ROSClock):
            # Kept: the callback ends with it.
            self._changes = JumpHandle(
                clock=ros_clock,
                threshold=EVERY_CHANGE,
                pre_callback=None,
                post_callback=self._on_change,
            )
            if ros_clock.ros_time_is_active:
                self._begin_simulated()

    @property
    def problem(self) -> str:
        """Why the ROS clock cannot be used, or not for long; empty if it can."""
        if not self._simulated:
            return ""
        return self._estimator.problem(self._sim_clock.to_steady_ns(self.now_ns()), SILENT_NS)

    def current(self) -> ClockMapping:
        """Return the mapping, for several conversions, after a look at the system clock."""
        if not self._simulated:
            self._follow_system_clock()
        return self.mapping

    def steady_ns(self, stamp_ns: int) -> int:
        """Return a stamp on the steady clock; see `dbp_ros.runtime.stamps` for invalid stamps.

        Args:
            stamp_ns: Stamp of a message, on the ROS clock.
        """
        return self.current().keep(stamp_ns)

    def ros_ns(self, steady_ns: int) -> int:
        """Return a steady time on the ROS clock: the very stamp where it was one."""
        return self.current().ros_ns(steady_ns)

    def to_stamp(self, steady_ns: int) -> Time:
        """Return a steady time in [ns] as a stamp."""
        return ns_to_stamp(self.ros_ns(steady_ns))

    def now_ns(self) -> int:
        """Return the steady time."""
        return self._sim_clock.now_ns()

    def offset_ns(self) -> int:
        """Return what to add to the ROS time of now to get the steady time."""
        line, now_ns = self.current().line, self.now_ns()
        return now_ns - (line.ros_at(now_ns) if line else 0)

    def _on_change(self, change: Mapping[str, Any]) -> None:
        """Compare the clocks; called by the thread that reads `/clock`, after each new time."""
        kind = change["clock_change"]
        if kind == ClockChange.ROS_TIME_ACTIVATED:
            self._begin_simulated()
        elif kind == ClockChange.ROS_TIME_DEACTIVATED:
            self.mapping.line = self._offset_line()
            self._simulated = False
        elif self._simulated:
            now_ns = self._sim_clock.to_steady_ns(self.now_ns())
            steady = 0 <= change["delta"] < JUMP_NS
            if not steady or now_ns - self._sampled_ns >= SAMPLE_INTERVAL_NS:
                self._sample(now_ns)

    def _begin_simulated(self) -> None:
        self._estimator = ClockEstimator(self._sim_clock.real_time_factor)
        self.mapping.line = None
        self._simulated = True
        self._sample(self._sim_clock.to_steady_ns(self.now_ns()))

    def _sample(self, now_ns: int) -> None:
        self._sampled_ns = now_ns
        ros_ns = int(self._ros_clock.now().nanoseconds)
        # A clock that stands at zero has not begun.
        if ros_ns:
            line = self._estimator.line
            self._estimator.add(now_ns, ros_ns)
            if (changed := self._estimator.line) is not line and changed is not None:
                steady_ns = self._sim_clock.from_steady_ns(changed.steady_ns)
                factor = changed.factor / self._sim_clock.real_time_factor
                self.mapping.line = ClockLine(steady_ns, changed.ros_ns, factor)

    def _follow_system_clock(self) -> None:
        line = self.mapping.line
        offset_ns = line.steady_ns - line.ros_ns if line else 0
        if abs(self._measure()[1] - offset_ns) > CLOCKS_APART_NS:
            changed = self._offset_line()
            if abs(changed.steady_ns - offset_ns) > CLOCKS_APART_NS:
                self.mapping.line = changed

    def _offset_line(self) -> ClockLine:
        """Measure the offset; this thread may be interrupted between the two clocks at times."""
        return ClockLine(min(self._measure() for _ in range(3))[1], 0, 1.0)

    def _measure(self) -> tuple[int, int]:
        """Return how long it took, and an offset in [ns], too large by as much at most."""
        before_ns = self._sim_clock.now_ns()
        ros_ns = int(self._ros_clock.now().nanoseconds)
        after_ns = self._sim_clock.now_ns()
        return after_ns - before_ns, after_ns - ros_ns


def ns_to_stamp(time_ns: int) -> Time:
    """Return nanoseconds as a stamp."""
    return Time(sec=time_ns // NS_PER_S, nanosec=time_ns % NS_PER_S)
