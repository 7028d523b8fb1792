"""A world that runs faster than ours: what is told in its seconds, and what stays in ours."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from dbp_ros.motion.guard import Mode, MotionGuard
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.runtime.sim_clock import SimClock, scale_timeouts
from dbp_ros.settings.config import GuardConfig
from dbp_ros.types import NS_PER_S, ActionChunk


def test_at_a_speed_of_one_the_time_is_ours_to_the_nanosecond():
    assert SimClock().at_ns(123_456_789_012_345_679) == 123_456_789_012_345_679
    before_ns = time.monotonic_ns()
    assert before_ns <= SimClock().now_ns() <= time.monotonic_ns()


def test_a_faster_world_has_more_seconds_in_one_of_ours():
    pace = SimClock(4.0)
    assert pace.at_ns(3 * NS_PER_S) - pace.at_ns(NS_PER_S) == 8 * NS_PER_S
    assert pace.rate_hz(250.0) == 1000.0


def test_a_loop_ticks_as_often_as_its_world_wants_and_is_told_its_time():
    seen: list[int] = []
    enough = threading.Event()

    def tick(now_ns: int) -> None:
        seen.append(now_ns)
        if len(seen) == 40:
            enough.set()

    start_s = time.monotonic()
    loop = RateThread("toy", 25.0, tick, pace=SimClock(8.0))
    loop.start()
    assert enough.wait(10.0)
    took_s = time.monotonic() - start_s
    loop.stop()
    # 40 ticks of 25 Hz are 1.6 s of that world and 0.2 s of ours.
    assert took_s >= 0.19
    assert (seen[39] - seen[0]) / NS_PER_S == pytest.approx(8.0 * took_s, rel=0.2)
    assert (seen[39] - seen[0]) / NS_PER_S >= 39 / 25 * 0.95


def guard_at(speed: float) -> tuple[MotionGuard, SimClock]:
    config = replace(GuardConfig(), speed=speed)
    return MotionGuard(
        scale_timeouts(config, "chunk_timeout_s", "joint_state_timeout_s")
    ), SimClock(speed)


def commands(speed: float, silent_s: float = 0.0) -> tuple[np.ndarray, MotionGuard]:
    """Return what the arms are commanded after a chunk."""
    guard, pace = guard_at(speed)
    begin_ns = pace.at_ns(NS_PER_S)
    here = np.array(GuardConfig.position_lower) * 0.0 + 0.01
    guard.measure(here, begin_ns)
    guard.enable(begin_ns)
    chunk = ActionChunk(
        positions=np.stack([here + 0.02, here + 0.03]),
        due_ns=begin_ns + np.array([NS_PER_S // 10, NS_PER_S // 5]),
        stamp_ns=begin_ns,
    )
    guard.accept(chunk, begin_ns)
    ticks = [begin_ns + round(k * NS_PER_S / GuardConfig.command_rate_hz) for k in range(1, 11)]
    told = np.stack([guard.tick(tick_ns) for tick_ns in ticks])
    if silent_s:
        guard.measure(here, pace.at_ns(round((1.0 + silent_s) * NS_PER_S)))
        guard.tick(pace.at_ns(round((1.0 + silent_s) * NS_PER_S)))
    return told, guard


def test_the_arms_are_commanded_the_same_at_every_speed():
    np.testing.assert_array_equal(commands(1.0)[0], commands(5.0)[0])
    assert np.abs(np.diff(commands(5.0)[0], axis=0)).max() > 1e-4


@pytest.mark.parametrize("speed", [0.25, 1.0, 5.0])
def test_silence_stops_the_arms_after_the_same_time_of_ours_or_of_a_slow_world(speed: float):
    timeout_s = GuardConfig.chunk_timeout_s / min(1.0, speed)
    assert commands(speed, 0.98 * timeout_s)[1].mode is Mode.TRACKING
    assert commands(speed, 1.02 * timeout_s)[1].mode is Mode.HOLDING
