"""Enabling and disabling of control."""

import numpy as np
import pytest
from motion.guard_cell import (
    AHEAD,
    CONFIG,
    DT,
    START,
    Cell,
    assert_smooth,
    measure_rest,
    sent,
    towards,
)

from dbp_ros.errors import CommandError
from dbp_ros.guard_state import GuardMode
from dbp_ros.motion.guard import MotionGuard
from dbp_ros.types import NS_PER_S


def test_before_control_is_enabled_there_are_no_commands():
    cell = Cell(MotionGuard(CONFIG), START)
    assert cell.run(20, towards(AHEAD)) == [None] * 20
    assert cell.guard.mode is GuardMode.DISABLED
    assert cell.guard.counters.commands == 0


def test_without_joint_states_control_cannot_be_enabled():
    with pytest.raises(CommandError, match="no fresh joint states"):
        MotionGuard(CONFIG).enable(NS_PER_S)


def test_with_stale_joint_states_control_cannot_be_enabled():
    guard = MotionGuard(CONFIG)
    measure_rest(guard, START, NS_PER_S)
    with pytest.raises(CommandError, match="no fresh joint states"):
        guard.enable(2 * NS_PER_S)


def test_after_enabling_the_measured_positions_are_held_until_a_chunk_arrives(cell):
    np.testing.assert_array_equal(cell.run(20), [START] * 20)
    assert (cell.guard.mode, cell.guard.reason) == (GuardMode.HOLDING, "waiting for a chunk")


def test_a_chunk_from_before_enabling_is_not_followed():
    cell = Cell(MotionGuard(CONFIG), START)
    cell.run(20, towards(AHEAD))
    cell.guard.enable(cell.now_ns)
    np.testing.assert_array_equal(cell.run(5), [START] * 5)


def test_disabling_brings_the_arms_to_rest_and_then_ends_the_commands(moving):
    before = [moving.positions]
    moving.guard.disable()
    commands = moving.run(100, towards(AHEAD))
    count = len(sent(commands))
    assert_smooth([*before, *commands])
    assert 10 < count < 60
    assert commands[count:] == [None] * (100 - count)
    assert not moving.guard.moving
    assert moving.guard.mode is GuardMode.DISABLED


def test_enabling_again_while_braking_does_not_jump(moving):
    commands = [moving.positions, *moving.run(1, towards(AHEAD))]
    moving.guard.disable()
    commands += moving.run(5)
    moving.guard.add_measurement(START, moving.now_ns)
    moving.guard.enable(moving.now_ns)
    commands += moving.run(100, towards(START))
    assert_smooth(commands)


def test_enabling_twice_changes_nothing(moving):
    moving.guard.enable(moving.now_ns)
    moving.run(1)
    assert moving.guard.mode is GuardMode.TRACKING


def test_arms_outside_their_limits_are_enabled_at_their_positions():
    cell = Cell(MotionGuard(CONFIG), np.array([1.2, 0.0]))
    measure_rest(cell.guard, cell.positions, cell.now_ns)
    cell.guard.enable(cell.now_ns)
    commands = cell.run(10)
    np.testing.assert_array_equal(commands, [[1.2, 0.0]] * 10)
    commands += cell.run(300, towards([0.9, 0.0]))
    assert_smooth(commands)
    np.testing.assert_allclose(commands[-1], [0.9, 0.0], atol=1e-6)


def test_a_lost_controller_gets_no_commands_and_the_other_arm_comes_to_rest(moving):
    before = moving.positions
    moving.guard.disable_on_controller_loss(
        slice(0, 1), "left_controller was deactivated", moving.now_ns
    )
    commands = moving.run(100, towards(AHEAD))
    assert moving.guard.lost_joints.tolist() == [True, False]
    assert_smooth([before[1:], *(None if c is None else c[1:] for c in commands)])
    assert commands[-1] is None
    assert moving.guard.reason == (
        "control was disabled by a fault: left_controller was deactivated; enable control again"
    )
    assert (moving.guard.counters.controller_losses, moving.guard.counters.disabled_by_fault) == (
        1,
        1,
    )


def test_controllers_lost_together_are_both_named(cell):
    cell.run(5)
    cell.guard.disable_on_controller_loss(
        slice(0, 1), "left_controller was deactivated", cell.now_ns
    )
    cell.run(5)
    assert cell.guard.mode is GuardMode.DISABLED
    cell.guard.disable_on_controller_loss(
        slice(1, 2), "right_controller was deactivated", cell.now_ns
    )
    assert "left_controller was deactivated; right_controller was" in cell.guard.reason
    cell.guard.disable_on_controller_loss(
        slice(1, 2), "right_controller was unloaded", cell.now_ns + 2 * NS_PER_S
    )
    assert "unloaded" not in cell.guard.reason


def test_after_the_loss_of_a_controller_enabling_starts_at_the_measured_positions(moving):
    moving.guard.disable_on_controller_loss(
        slice(0, 1), "left_controller was deactivated", moving.now_ns
    )
    moving.run(100)
    moving.positions = np.array([-0.5, 0.5])
    moving.run(60)
    moving.guard.enable(moving.now_ns)
    np.testing.assert_array_equal(moving.run(5), [[-0.5, 0.5]] * 5)
    assert not moving.guard.lost_joints.any()


def test_a_controller_lost_while_control_is_disabled_changes_nothing():
    guard = MotionGuard(CONFIG)
    guard.disable_on_controller_loss(slice(0, 1), "left_controller was deactivated", NS_PER_S)
    assert guard.counters.controller_losses == 0
    assert guard.reason == "control is not enabled"


def test_control_is_not_enabled_while_the_arms_move():
    cell = Cell(MotionGuard(CONFIG), START)
    for _ in range(50):
        cell.positions = cell.positions + np.array([0.0, 0.5 * DT])
        cell.run(1)
    with pytest.raises(CommandError, match=r"right_elbow_joint moves at 0\.500 per second"):
        cell.guard.enable(cell.now_ns)
    cell.run(50)
    cell.guard.enable(cell.now_ns)


def test_control_is_not_enabled_before_the_speed_of_the_arms_is_known():
    cell = Cell(MotionGuard(CONFIG), START)
    cell.run(1)
    with pytest.raises(CommandError, match=r"for less than 0\.05 s, .*: enable control again"):
        cell.guard.enable(cell.now_ns)
    cell.run(20)
    cell.guard.enable(cell.now_ns)


def test_arms_that_move_after_a_gap_of_the_joint_states_are_not_at_rest():
    cell = Cell(MotionGuard(CONFIG), START)
    cell.run(50)
    cell.now_ns += 10 * NS_PER_S
    for periods in (1, 20):
        for _ in range(periods):
            cell.positions = cell.positions + np.array([0.0, 0.5 * DT])
            cell.run(1)
        with pytest.raises(CommandError, match="less than" if periods == 1 else "moves at 0.5"):
            cell.guard.enable(cell.now_ns)
