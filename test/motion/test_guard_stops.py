"""Latched stops, and their reset."""

from dataclasses import replace

import numpy as np
import pytest
from motion.guard_cell import (
    AHEAD,
    CONFIG,
    DT,
    PERIOD_NS,
    START,
    assert_smooth,
    measure_rest,
    reset_after_a_jump,
    towards,
)

from dbp_ros.errors import CommandError, ConfigError
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


@pytest.mark.parametrize(("lag", "measured_every"), [(5, 1), (12, 1), (12, 10)])
def test_a_blocked_joint_does_not_reverse_a_joint_that_follows_at_a_distance(lag, measured_every):
    """Both belong to one controller: the other one brakes within its acceleration limit."""
    guard = MotionGuard(replace(CONFIG, controllers=("left",), controller_sizes=(2,)))
    measure_rest(guard, START, NS_PER_S)
    guard.enable(NS_PER_S)
    now_ns, commands = NS_PER_S, [START] * (lag + 1)
    target = towards(START + np.array([0.7, 0.5]))
    braked = 0
    while braked < 20:
        now_ns += PERIOD_NS
        if len(commands) % measured_every == 0:
            guard.add_measurement(np.array([commands[-lag][0], START[1]]), now_ns)
        if not guard.stop_reason:
            guard.accept(target(now_ns), now_ns)
        commands.append(guard.tick(now_ns))
        braked += bool(guard.stop_reason)
    assert "right_elbow_joint is 0.3" in guard.stop_reason
    assert_smooth(np.array(commands)[:, :1])


def test_after_a_jump_and_a_reset_the_next_stop_can_be_reset(faulty):
    """Nothing is commanded after the first reset, so nothing verifies the commands."""
    reset_after_a_jump(faulty)
    faulty.guard.stop("e-stop")
    faulty.run(10)
    faulty.guard.reset()
    assert not faulty.guard.stop_reason


def test_a_timeout_of_joint_states_below_two_periods_is_refused():
    with pytest.raises(ConfigError, match=r"joint_state_timeout_s is 0.04.*command_rate_hz = 20"):
        MotionGuard(replace(CONFIG, command_rate_hz=20.0, joint_state_timeout_s=0.04))


def test_a_gripper_joint_of_another_name_is_refused():
    with pytest.raises(ConfigError, match="gripper_joints has left_griper_joint"):
        MotionGuard(replace(CONFIG, gripper_joints=("left_griper_joint",)))
