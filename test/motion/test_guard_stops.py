"""Latched stops, and their reset."""

import numpy as np
import pytest
from motion.guard_cell import (
    AHEAD,
    CONFIG,
    DT,
    START,
    assert_smooth,
    measure_rest,
    towards,
)

from dbp_ros.errors import CommandError
from dbp_ros.guard_state import GuardMode
from dbp_ros.motion.guard import MotionGuard
from dbp_ros.types import NS_PER_S


def test_an_emergency_stop_stays_latched_despite_new_chunks(moving):
    before = [moving.positions]
    moving.guard.stop("e-stop")
    commands = moving.run(100, towards(AHEAD))
    assert_smooth([*before, *commands])
    assert (moving.guard.mode, moving.guard.reason) == (GuardMode.STOPPED, "e-stop")
    np.testing.assert_array_equal(commands[-1], commands[-50])
    with pytest.raises(CommandError, match=r"e-stop.*reset it first"):
        moving.guard.enable(moving.now_ns)


def test_the_first_reason_of_a_stop_is_reported_and_counted_once(moving):
    moving.guard.stop("e-stop")
    moving.guard.stop("another")
    assert moving.guard.stop_reason == "e-stop"
    assert moving.guard.counters.stops == 1


def test_an_emergency_stop_replaces_the_reason_of_an_earlier_stop(moving):
    moving.guard.stop("left_elbow_joint is 0.51 away from its command")
    moving.guard.stop("e-stop", replace=True)
    assert moving.guard.stop_reason == moving.guard.reason == "e-stop"
    assert moving.guard.counters.stops == 1


def test_a_stop_can_be_reset_only_at_rest(moving):
    moving.guard.stop("e-stop")
    moving.run(1)
    with pytest.raises(CommandError, match="still move"):
        moving.guard.reset()
    moving.run(100)
    moving.guard.reset()
    assert moving.guard.mode is GuardMode.DISABLED


def test_after_a_reset_there_are_no_commands_until_control_is_enabled_again(moving):
    moving.guard.stop("e-stop")
    moving.run(100)
    moving.guard.reset()
    assert moving.run(10, towards(AHEAD)) == [None] * 10
    moving.guard.enable(moving.now_ns)
    assert moving.run(10, towards(AHEAD))[-1] is not None
    assert moving.guard.mode is GuardMode.TRACKING


def test_a_stop_while_disabled_prevents_enabling():
    guard = MotionGuard(CONFIG)
    measure_rest(guard, START, NS_PER_S)
    guard.stop("e-stop")
    assert guard.tick(NS_PER_S) is None
    with pytest.raises(CommandError, match="reset it first"):
        guard.enable(NS_PER_S)
    guard.reset()
    guard.enable(NS_PER_S)


def test_a_reset_without_a_stop_changes_nothing(cell):
    cell.guard.reset()
    assert cell.guard.enabled
    np.testing.assert_array_equal(cell.run(1), [START])


def test_an_arm_that_does_not_follow_stops_both_arms(moving):
    commands = []
    stuck = moving.positions
    for _ in range(250):
        moving.positions = np.array([moving.positions[0], stuck[1]])
        commands += moving.run(1, towards(AHEAD))
    assert moving.guard.mode is GuardMode.STOPPED
    assert "right_elbow_joint is 0.3" in moving.guard.reason
    np.testing.assert_array_equal(commands[-1], commands[-20])
    assert (moving.guard.counters.stops, moving.guard.counters.tracking_stops) == (1, 1)
    assert_smooth([command[:1] for command in commands])
    assert (np.abs(np.diff(commands, axis=0)) <= 2.0 * DT + 1e-9).all()
    # The command is at the stuck arm, which does not jump when it is free again.
    assert commands[-1][1] == pytest.approx(stuck[1], abs=1e-4)


def test_a_stop_while_disabling_still_brings_the_arms_to_rest(moving):
    moving.guard.disable()
    moving.run(2)
    moving.guard.stop("e-stop")
    assert moving.run(100)[-1] is not None
    assert not moving.guard.moving
    assert moving.guard.mode is GuardMode.STOPPED
