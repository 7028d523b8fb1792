"""Conversion of stamps from system time and from `/clock` to the steady clock and back."""

import struct

import numpy as np
import pytest
from rclpy.clock import ClockType, ROSClock
from rclpy.time import Time
from simulated_clock import FIRST_NS, NS, START_NS, ticks
from stamps import stamp_to_ns

from dbp_ros.nodes.conversions import ChunkReader, ChunkWriter
from dbp_ros.nodes.image_stamps import ImageStampsReader, ImageStampsWriter
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.runtime.sim_clock import SimClock
from dbp_ros.runtime.stamps import NO_CLOCK_NS, UNSTAMPED_NS
from dbp_ros.types import ActionChunk

MS = 1_000_000
JOINTS = ("shoulder", "elbow")


class SetTime(SimClock):
    """A steady clock set by a test."""

    def __init__(self, real_time_factor: float = 1.0) -> None:
        super().__init__(real_time_factor)
        self.time_ns = self.from_steady_ns(START_NS)

    def now_ns(self) -> int:
        return self.time_ns


class Simulated:
    """A `SteadyClock` that receives messages of `/clock`."""

    def __init__(self, real_time_factor: float = 1.0) -> None:
        self.time, self.ros = SetTime(real_time_factor), ROSClock()
        self.ros._set_ros_time_is_active(True)
        self.steady = SteadyClock(self.ros, self.time)

    def receive(self, arrival_ns: int, ros_ns: int) -> None:
        self.time.time_ns = self.time.from_steady_ns(arrival_ns)
        self.ros.set_ros_time_override(Time(nanoseconds=ros_ns, clock_type=ClockType.ROS_TIME))

    def run(self, factor: float, seconds: float = 3.0) -> "Simulated":
        for arrival_ns, _, ros_ns in ticks(factor, seconds):
            self.receive(arrival_ns, ros_ns)
        return self


@pytest.mark.parametrize("factor", [0.05, 0.5, 0.95, 1.0, 5.0, 20.0])
def test_stamps_of_another_simulator_convert_back_exactly(factor):
    simulated = Simulated().run(factor, max(3.0, 0.5 / factor))
    now_ns = simulated.time.time_ns
    newest_ns = int(simulated.ros.now().nanoseconds)
    steady = simulated.steady
    for k in range(40):
        stamp_ns = newest_ns - k * MS - 7
        steady_ns = steady.steady_ns(stamp_ns)
        assert steady_ns == pytest.approx(now_ns - k * MS / factor, abs=3 * MS)
        assert stamp_to_ns(steady.to_stamp(steady_ns)) == stamp_ns


def test_without_a_message_on_clock_stamps_are_invalid_and_the_clock_is_reported():
    steady = Simulated().steady
    assert steady.steady_ns(FIRST_NS) == NO_CLOCK_NS
    assert steady.steady_ns(0) == UNSTAMPED_NS
    assert "nothing arrives on /clock" in steady.problem


def test_a_stalled_clock_is_reported():
    simulated = Simulated().run(1.0)
    assert simulated.steady.problem == ""
    simulated.time.time_ns += 2100 * MS
    assert "/clock has stalled" in simulated.steady.problem


def test_use_sim_time_may_be_set_and_unset_while_running():
    ros = ROSClock()
    steady = SteadyClock(ros)
    stamp_ns = int(ros.now().nanoseconds)
    assert steady.steady_ns(stamp_ns) == pytest.approx(steady.now_ns(), abs=50 * MS)
    ros._set_ros_time_is_active(True)
    assert steady.steady_ns(stamp_ns) == NO_CLOCK_NS
    ros.set_ros_time_override(Time(nanoseconds=FIRST_NS, clock_type=ClockType.ROS_TIME))
    assert steady.steady_ns(FIRST_NS) == pytest.approx(steady.now_ns(), abs=50 * MS)
    ros._set_ros_time_is_active(False)
    stamp_ns = int(ros.now().nanoseconds)
    assert steady.steady_ns(stamp_ns) == pytest.approx(steady.now_ns(), abs=50 * MS)
    assert steady.problem == ""


@pytest.mark.parametrize("factor", [0.05, 0.5, 1.0, 20.0])
def test_a_chunk_keeps_its_stamps_and_scales_its_durations(factor):
    policy, guard = Simulated().run(factor), Simulated().run(factor)
    newest_ns = int(policy.ros.now().nanoseconds)
    stamps_ns = [policy.steady.steady_ns(newest_ns - k * MS) for k in (1, 5, 9)]
    steps_ns = np.array([33_333_333, 66_666_666, 500_000_000])
    chunk = ActionChunk(
        positions=np.zeros((3, 2)),
        due_ns=stamps_ns[0] + np.rint(steps_ns / factor).astype(np.int64),
        stamp_ns=stamps_ns[0],
        image_stamps_ns=tuple(stamps_ns[1:]),
    )
    message = ChunkWriter(JOINTS, policy.steady).write(chunk)
    stamps = ImageStampsWriter(policy.steady).write(chunk)
    assert struct.pack("<qq", newest_ns - 5 * MS, newest_ns - 9 * MS) in stamps
    reader = ImageStampsReader(guard.steady)
    reader.add(stamps)
    received = ChunkReader(JOINTS, guard.steady).read(message)
    np.testing.assert_allclose(
        received.due_ns - received.stamp_ns, steps_ns / factor, rtol=0.02, atol=factor
    )
    assert received.stamp_ns == pytest.approx(chunk.stamp_ns, abs=3 * MS)
    assert reader.stamps_of(received) == pytest.approx(chunk.image_stamps_ns, abs=3 * MS)


@pytest.mark.parametrize("factor", [0.05, 0.25, 2.0, 20.0])
def test_with_a_configured_real_time_factor_stamps_shift_by_one_offset(factor):
    simulated = Simulated(factor)
    offsets_ns = set()
    for arrival_ns, true_ns, ros_ns in ticks(factor, max(4.0, 1.0 / factor), delay_s=0.0003):
        simulated.receive(arrival_ns, ros_ns)
        if true_ns > START_NS + (2 if factor > 0.1 else 5) * NS:
            steady_ns = simulated.steady.steady_ns(ros_ns)
            assert steady_ns == pytest.approx(factor * true_ns, abs=4 * MS * max(1.0, factor))
            offsets_ns.add(round((steady_ns - ros_ns) / 1000))
    assert simulated.steady.mapping.factor == 1.0
    assert len(offsets_ns) <= 3


def test_a_simulator_slower_than_configured_is_followed():
    simulated = Simulated(real_time_factor=0.5).run(0.4, 5.0)
    assert simulated.steady.mapping.factor == pytest.approx(0.8, rel=0.01)
    newest_ns = int(simulated.ros.now().nanoseconds)
    assert simulated.steady.steady_ns(newest_ns) == pytest.approx(simulated.time.time_ns, abs=MS)


def test_a_clock_at_two_kilohertz_is_followed():
    simulated = Simulated()
    for arrival_ns, _, ros_ns in ticks(0.5, 3.0, step_s=0.0005):
        simulated.receive(arrival_ns, ros_ns)
    assert simulated.steady.mapping.factor == pytest.approx(0.5, rel=0.01)
    assert simulated.steady.steady_ns(ros_ns) == pytest.approx(arrival_ns, abs=2 * MS)


def test_a_reset_right_after_another_message_is_detected():
    simulated = Simulated().run(1.0)
    then_ns = simulated.time.time_ns + MS
    simulated.receive(then_ns, NS)
    assert simulated.steady.steady_ns(NS) == then_ns
