"""Commands of arms that do not follow move to the measured positions."""

from dataclasses import replace

import numpy as np
import pytest
from motion.guard_cell import (
    AHEAD,
    CONFIG,
    DT,
    PERIOD_NS,
    START,
    Cell,
    assert_smooth,
    measure_rest,
    towards,
)

from dbp_ros.guard_state import GuardMode
from dbp_ros.motion.guard import MotionGuard


def test_arms_that_do_not_follow_do_not_move_after_a_reset(faulty):
    faulty.run(40, towards(AHEAD))
    faulty.follows, positions = False, faulty.positions
    commands = faulty.run(300, towards(AHEAD))
    assert faulty.guard.mode is GuardMode.STOPPED
    assert not faulty.guard.moving
    np.testing.assert_allclose(commands[-1], positions, atol=1e-4)
    faulty.guard.reset()
    assert faulty.run(1) == [None]


def test_commands_move_to_a_frozen_measurement_within_the_limits(moving):
    frozen, before = moving.positions, moving.positions
    commands = [before]
    for _ in range(400):
        moving.now_ns += PERIOD_NS
        moving.guard.add_measurement(frozen, moving.now_ns)
        if moving.guard.enabled and not moving.guard.stop_reason:
            moving.guard.accept(towards(AHEAD)(moving.now_ns), moving.now_ns)
        commands.append(moving.guard.tick(moving.now_ns))
    assert moving.guard.mode is GuardMode.STOPPED
    assert (np.abs(np.diff(commands, axis=0)) <= 2.0 * DT + 1e-9).all()
    np.testing.assert_allclose(commands[-1], frozen, atol=1e-4)


def test_the_command_follows_an_arm_that_is_moved_while_stopped(faulty):
    faulty.run(40, towards(AHEAD))
    faulty.guard.stop("e-stop")
    faulty.run(100)
    faulty.follows = False
    for _ in range(200):
        faulty.positions = faulty.positions + np.array([0.3 * DT, 0.0])
        faulty.run(1)
        assert abs(faulty.run(1)[-1][0] - faulty.positions[0]) < 0.2
    np.testing.assert_allclose(faulty.run(300)[-1], faulty.positions, atol=1e-4)
    assert faulty.guard.counters.reanchors >= 1


@pytest.mark.parametrize("speed", [0.2, 0.3, 0.4, 0.8])
def test_after_any_movement_by_hand_the_command_is_at_the_arm(faulty, speed):
    faulty.run(40, towards(AHEAD))
    faulty.guard.stop("e-stop")
    faulty.run(100)
    faulty.follows = False
    for moved_periods in range(10, 500, 70):
        for _ in range(moved_periods):
            faulty.positions = faulty.positions + np.array([speed * DT, 0.0])
            faulty.run(1)
        error = np.abs(faulty.run(400)[-1] - faulty.positions)
        distance = CONFIG.reanchor_share * 0.3
        small = speed * DT * moved_periods <= distance
        assert (error <= (distance + 1e-9 if small else 1e-4)).all(), moved_periods


def test_the_command_follows_an_arm_that_is_moved_slightly_during_a_hold(faulty):
    faulty.run(200, towards(START))
    faulty.run(200)
    faulty.follows = False
    for _ in range(100):
        faulty.positions = faulty.positions + np.array([0.2 * DT, 0.0])
        faulty.run(1)
    np.testing.assert_allclose(faulty.run(300)[-1], faulty.positions, atol=1e-4)
    faulty.follows = True
    assert_smooth(faulty.run(200, towards(START)))


def test_an_arm_that_sags_under_its_load_does_not_sink_further(faulty):
    faulty.offset = -0.05
    faulty.run(300, towards(START))
    command = faulty.run(2000)[-1]
    np.testing.assert_allclose(command, START, atol=0.11)
    assert faulty.guard.counters.reanchors <= 2


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize("lag", [0, 15, 50])
@pytest.mark.parametrize("offset", [-0.16, 0.2, 0.28])
def test_an_arm_that_follows_at_a_large_distance_is_not_moved_on_and_on(
    faulty, offset, lag, stopped
):
    faulty.run(300, towards(START))
    if stopped:
        faulty.guard.stop("e-stop")
    faulty.follows, commands = False, [START] * (lag + 1)
    for period in range(3000):
        commands += faulty.run(1)
        distance = offset * min(1.0, period / 100)
        faulty.positions = commands[-1 - lag] + distance
    assert 1 <= faulty.guard.counters.reanchors <= 3
    assert np.abs(commands[-1] - START).max() <= 3 * abs(offset)
    np.testing.assert_array_equal(commands[-1], commands[-1500])


def test_a_gripper_that_holds_an_object_stays_closed():
    config = replace(CONFIG, gripper_joints=("right_elbow_joint",))
    cell = Cell(MotionGuard(config), START)
    measure_rest(cell.guard, START, cell.now_ns)
    cell.guard.enable(cell.now_ns)
    for k in range(1000):
        # The object keeps the gripper 0.1 away from the closing command.
        cell.positions = np.array([START[0], max(cell.positions[1], START[1] - 0.1)])
        (command,) = cell.run(1, towards([START[0], START[1] - 0.2]) if k < 500 else None)
    assert command[1] == pytest.approx(START[1] - 0.2)
    assert cell.guard.mode is GuardMode.HOLDING
