"""The offset of the steady clock to the system clock and to a simulated clock."""

import time

import pytest
from rclpy.clock import Clock, ClockType, ROSClock
from rclpy.time import Time as RosTime
from stamps import stamp_to_ns

from dbp_ros.nodes.steady_clock import SteadyClock, ns_to_stamp
from dbp_ros.runtime.sim_clock import SimClock
from dbp_ros.types import NS_PER_S

# The offset between the clocks is constant until they differ by a millisecond.
CLOCKS_NS = 20_000_000


@pytest.fixture
def clock() -> SteadyClock:
    return SteadyClock(Clock())


def test_a_stamp_is_restored_to_the_nanosecond(clock: SteadyClock) -> None:
    for stamp_ns in range(10**18, 10**18 + 50):
        stamp = ns_to_stamp(stamp_ns)
        assert stamp_to_ns(clock.to_stamp(stamp_to_ns(stamp) + clock.offset_ns())) == stamp_ns


class SettableClock:
    """ROS clock with a settable offset, and one interruption while it is read."""

    ahead_ns = 0
    interrupted_s = 0.0

    @property
    def nanoseconds(self) -> int:
        now_ns = time.time_ns() + self.ahead_ns
        time.sleep(self.interrupted_s)
        self.interrupted_s = 0.0
        return now_ns

    def now(self) -> "SettableClock":
        return self


def test_an_interruption_between_the_clocks_does_not_change_the_offset() -> None:
    ros_clock = SettableClock()
    ros_clock.interrupted_s = 0.1
    clock = SteadyClock(ros_clock)
    before_ns = clock.offset_ns()
    assert abs(before_ns - (time.monotonic_ns() - time.time_ns())) < CLOCKS_NS
    ros_clock.interrupted_s = 0.1
    assert clock.offset_ns() == before_ns


def test_a_change_of_the_system_clock_changes_the_offset() -> None:
    ros_clock = SettableClock()
    clock = SteadyClock(ros_clock)
    before_ns = clock.offset_ns()
    ros_clock.ahead_ns = 10**9
    assert abs(before_ns - clock.offset_ns() - 10**9) < 10**8


def simulated_clock(at_ns: int) -> ROSClock:
    clock = ROSClock()
    clock._set_ros_time_is_active(True)
    clock.set_ros_time_override(rclpy_time(at_ns))
    return clock


def rclpy_time(at_ns: int) -> RosTime:
    return RosTime(nanoseconds=at_ns, clock_type=ClockType.ROS_TIME)


def test_the_steps_of_a_simulated_clock_do_not_change_the_offset():
    sim_clock = SimClock(2.0)
    clock = simulated_clock(sim_clock.now_ns())
    steady = SteadyClock(clock, sim_clock)
    offset_ns = steady.offset_ns()
    time.sleep(0.01)
    # No step for 20 ms of simulated time: the clock is only late.
    assert steady.offset_ns() == offset_ns
    clock.set_ros_time_override(rclpy_time(sim_clock.now_ns()))
    assert 0 <= steady.offset_ns() <= offset_ns


def test_a_restart_of_the_simulation_changes_the_offset():
    sim_clock = SimClock(2.0)
    clock = simulated_clock(sim_clock.now_ns())
    steady = SteadyClock(clock, sim_clock)
    clock.set_ros_time_override(rclpy_time(sim_clock.now_ns() - 7 * NS_PER_S))
    assert steady.offset_ns() == pytest.approx(7 * NS_PER_S, abs=CLOCKS_NS)
