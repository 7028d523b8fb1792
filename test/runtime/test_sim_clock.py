"""Simulation time: what scales with the real-time factor, and what stays in wall time."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from motion.guard_cell import measure_rest

from dbp_ros.errors import ConfigError
from dbp_ros.guard_state import GuardMode
from dbp_ros.motion.guard import MotionGuard
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.runtime.sim_clock import SimClock, scale_timeouts
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.types import NS_PER_S, ActionChunk


def test_with_a_factor_of_one_the_time_is_the_steady_clock_to_the_nanosecond():
    assert SimClock().from_steady_ns(123_456_789_012_345_679) == 123_456_789_012_345_679
    before_ns = time.monotonic_ns()
    assert before_ns <= SimClock().now_ns() <= time.monotonic_ns()


def test_a_faster_simulation_scales_times_and_rates():
    clock = SimClock(4.0)
    assert clock.from_steady_ns(3 * NS_PER_S) - clock.from_steady_ns(NS_PER_S) == 8 * NS_PER_S
    assert clock.wall_rate_hz(250.0) == 1000.0


def test_a_loop_runs_at_its_rate_in_simulation_time_and_receives_that_time():
    seen: list[int] = []
    enough = threading.Event()

    def tick(now_ns: int) -> None:
        seen.append(now_ns)
        if len(seen) == 40:
            enough.set()

    start_s = time.monotonic()
    loop = RateThread("toy", 25.0, tick, sim_clock=SimClock(8.0))
    loop.start()
    assert enough.wait(10.0)
    took_s = time.monotonic() - start_s
    loop.stop()
    # 40 ticks at 25 Hz are 1.6 s of simulation time and 0.2 s of wall time.
    assert took_s >= 0.19
    assert (seen[39] - seen[0]) / NS_PER_S == pytest.approx(8.0 * took_s, rel=0.2)
    assert (seen[39] - seen[0]) / NS_PER_S >= 39 / 25 * 0.95


def guard_at(factor: float) -> tuple[MotionGuard, SimClock]:
    config = replace(GuardConfig(), real_time_factor=factor)
    return MotionGuard(
        scale_timeouts(config, "chunk_timeout_s", "joint_state_timeout_s")
    ), SimClock(factor)


def commands(factor: float, silent_s: float = 0.0) -> tuple[np.ndarray, MotionGuard]:
    """Return the commands of ten ticks after a chunk, and the guard after a silence."""
    guard, clock = guard_at(factor)
    begin_ns = clock.from_steady_ns(NS_PER_S)
    here = np.array(GuardConfig.position_lower) * 0.0 + 0.01
    measure_rest(guard, here, begin_ns)
    guard.enable(begin_ns)
    chunk = ActionChunk(
        positions=np.stack([here + 0.02, here + 0.03]),
        due_ns=begin_ns + np.array([NS_PER_S // 10, NS_PER_S // 5]),
        stamp_ns=begin_ns,
    )
    guard.accept(chunk, begin_ns)
    ticks = [begin_ns + round(k * NS_PER_S / GuardConfig.command_rate_hz) for k in range(1, 11)]
    sent = np.stack([guard.tick(tick_ns) for tick_ns in ticks])
    if silent_s:
        later_ns = clock.from_steady_ns(round((1.0 + silent_s) * NS_PER_S))
        guard.add_measurement(here, later_ns)
        guard.tick(later_ns)
    return sent, guard


def test_the_commands_are_the_same_at_every_real_time_factor():
    np.testing.assert_array_equal(commands(1.0)[0], commands(5.0)[0])
    assert np.abs(np.diff(commands(5.0)[0], axis=0)).max() > 1e-4


@pytest.mark.parametrize("factor", [0.25, 1.0, 5.0])
def test_chunks_time_out_in_wall_time_or_in_the_time_of_a_slow_simulation(factor: float):
    timeout_s = GuardConfig.chunk_timeout_s / min(1.0, factor)
    assert commands(factor, 0.98 * timeout_s)[1].mode is GuardMode.TRACKING
    assert commands(factor, 1.02 * timeout_s)[1].mode is GuardMode.HOLDING


def test_a_timeout_that_is_too_long_in_simulation_time_is_named_with_the_factor():
    config = replace(GuardConfig(), real_time_factor=20.0, chunk_timeout_s=0.3)
    with pytest.raises(ConfigError, match=r"chunk_timeout_s.*6.*real_time_factor = 20"):
        scale_timeouts(config, "chunk_timeout_s")
