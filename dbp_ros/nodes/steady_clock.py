"""Steady clock, with conversion of the stamps of messages from the ROS clock."""

from collections.abc import Mapping
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockChange, JumpHandle, JumpThreshold, ROSClock
from rclpy.duration import Duration

from dbp_ros.runtime.clock_estimator import JUMP_NS, ClockEstimator, ClockLine
from dbp_ros.runtime.clock_mapping import ClockMapping
from dbp_ros.runtime.sim_clock import SimClock
from dbp_ros.types import NS_PER_S

# The offset is constant while the clocks drift by less, so that stamps map back exactly.
MAX_DRIFT_NS = 1_000_000
# `/clock` is reported after this time without a message; see also `ClockEstimator.problem`.
SILENT_NS = 2 * NS_PER_S
# Shortest interval between samples of a fast `/clock`.
SAMPLE_INTERVAL_NS = 4_000_000
EVERY_CHANGE = JumpThreshold(
    min_forward=Duration(nanoseconds=1), min_backward=Duration(nanoseconds=-1)
)


class SteadyClock:
    """Steady clock of the robot or of its simulation, see `dbp_ros.runtime.sim_clock`.

    A converted stamp converts back to the nanosecond, so that a learner finds the image of a
    decision by its stamp. A ROS clock of system time differs by an offset. For `/clock`, a
    `ClockEstimator` estimates rate, jumps and stalls. It works in wall time, as message latencies
    do not scale with the simulation.

    Attributes:
        mapping: Conversion without ROS.
    """

    def __init__(self, ros_clock: Clock, sim_clock: SimClock | None = None) -> None:
        """Start to compare the clocks.

        Args:
            ros_clock: Clock of the stamps.
            sim_clock: Steady clock of a simulation; the system's steady clock if None.
        """
        self._ros_clock, self._sim_clock = ros_clock, sim_clock or SimClock()
        self._estimator = ClockEstimator(self._sim_clock.real_time_factor)
        self._simulated = False
        self._sampled_ns = 0
        self.mapping = ClockMapping(self._offset_line())
        if isinstance(ros_clock, ROSClock):
            # The callback ends when the handle is deleted.
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
        """Problem of the ROS clock; empty if there is none."""
        if not self._simulated:
            return ""
        return self._estimator.problem(self._sim_clock.to_steady_ns(self.now_ns()), SILENT_NS)

    def current(self) -> ClockMapping:
        """Return the mapping, after a comparison with the system clock."""
        if not self._simulated:
            self._update_offset()
        return self.mapping

    def steady_ns(self, stamp_ns: int) -> int:
        """Convert a stamp to the steady clock; see `dbp_ros.runtime.stamps` for invalid stamps."""
        return self.current().record_stamp(stamp_ns)

    def ros_ns(self, steady_ns: int) -> int:
        """Convert a steady time to the ROS clock, exactly if it was a stamp."""
        return self.current().ros_ns(steady_ns)

    def to_stamp(self, steady_ns: int) -> Time:
        """Convert a steady time in [ns] to a stamp."""
        return ns_to_stamp(self.ros_ns(steady_ns))

    def now_ns(self) -> int:
        """Return the steady time."""
        return self._sim_clock.now_ns()

    def offset_ns(self) -> int:
        """Return the present difference of steady time and ROS time."""
        line, now_ns = self.current().line, self.now_ns()
        return now_ns - (line.ros_at(now_ns) if line else 0)

    def _on_change(self, change: Mapping[str, Any]) -> None:
        """Compare the clocks after a message of `/clock`, in the thread of its subscription."""
        kind = change["clock_change"]
        if kind == ClockChange.ROS_TIME_ACTIVATED:
            self._begin_simulated()
        elif kind == ClockChange.ROS_TIME_DEACTIVATED:
            self.mapping.line = self._offset_line()
            self._simulated = False
        elif self._simulated:
            now_ns = self._sim_clock.to_steady_ns(self.now_ns())
            continuous = 0 <= change["delta"] < JUMP_NS
            if not continuous or now_ns - self._sampled_ns >= SAMPLE_INTERVAL_NS:
                self._sample(now_ns)

    def _begin_simulated(self) -> None:
        self._estimator = ClockEstimator(self._sim_clock.real_time_factor)
        self.mapping.line = None
        self._simulated = True
        self._sample(self._sim_clock.to_steady_ns(self.now_ns()))

    def _sample(self, now_ns: int) -> None:
        self._sampled_ns = now_ns
        ros_ns = int(self._ros_clock.now().nanoseconds)
        # A clock at zero has not started.
        if ros_ns:
            line = self._estimator.line
            self._estimator.add(now_ns, ros_ns)
            if (changed := self._estimator.line) is not line and changed is not None:
                steady_ns = self._sim_clock.from_steady_ns(changed.steady_ns)
                factor = changed.factor / self._sim_clock.real_time_factor
                self.mapping.line = ClockLine(steady_ns, changed.ros_ns, factor)

    def _update_offset(self) -> None:
        line = self.mapping.line
        offset_ns = line.steady_ns - line.ros_ns if line else 0
        if abs(self._measure()[1] - offset_ns) > MAX_DRIFT_NS:
            changed = self._offset_line()
            if abs(changed.steady_ns - offset_ns) > MAX_DRIFT_NS:
                self.mapping.line = changed

    def _offset_line(self) -> ClockLine:
        """Measure the offset; the minimum of three excludes a thread switch in a measurement."""
        return ClockLine(min(self._measure() for _ in range(3))[1], 0, 1.0)

    def _measure(self) -> tuple[int, int]:
        """Return the duration of a measurement, and an offset too large by at most the duration."""
        before_ns = self._sim_clock.now_ns()
        ros_ns = int(self._ros_clock.now().nanoseconds)
        after_ns = self._sim_clock.now_ns()
        return after_ns - before_ns, after_ns - ros_ns


def ns_to_stamp(time_ns: int) -> Time:
    """Convert nanoseconds to a stamp."""
    return Time(sec=time_ns // NS_PER_S, nanosec=time_ns % NS_PER_S)
