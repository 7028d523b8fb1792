"""Take-over, give-back and speed scaling of the guard, in motion."""

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
    sent,
    towards,
)

from dbp_ros.errors import CommandError
from dbp_ros.guard_state import (
    NO_FRESH_OPERATOR_CHUNK,
    WAITING_FOR_OPERATOR_CHUNK,
    GuardMode,
)
from dbp_ros.motion.guard import MotionGuard

BACK = -AHEAD


def run(cell, periods, policy=None, operator=None):
    """Return the commands of some periods, with fresh chunks of both sources."""
    commands = []
    for _ in range(periods):
        cell.now_ns += PERIOD_NS
        cell.guard.add_measurement(cell.positions, cell.now_ns)
        if policy is not None:
            cell.guard.accept(policy(cell.now_ns), cell.now_ns)
        if operator is not None:
            cell.guard.accept(operator(cell.now_ns), cell.now_ns, by_operator=True)
        commands.append(cell.guard.tick(cell.now_ns))
        cell.positions = cell.positions if commands[-1] is None else commands[-1]
    return commands


def test_an_operator_chunk_without_control_is_ignored_and_counted(cell):
    run(cell, 50, operator=towards(AHEAD))
    np.testing.assert_array_equal(cell.positions, START)
    assert cell.guard.mode is GuardMode.HOLDING
    assert cell.guard.counters.ignored_chunks == 50


def test_the_guard_follows_the_operator_and_ignores_the_policy(cell):
    assert cell.guard.chunks.set_operator_control(True)
    assert not cell.guard.chunks.set_operator_control(True)
    run(cell, 600, policy=towards(BACK), operator=towards(AHEAD))
    np.testing.assert_allclose(cell.positions, AHEAD, atol=1e-3)
    cell.guard.chunks.set_operator_control(False)
    run(cell, 900, policy=towards(BACK), operator=towards(AHEAD))
    np.testing.assert_allclose(cell.positions, BACK, atol=1e-3)


def test_without_operator_chunks_the_arms_rest_and_the_policy_does_not_drive(cell):
    cell.guard.chunks.set_operator_control(True)
    run(cell, 30, policy=towards(BACK), operator=towards(AHEAD))
    commands = run(cell, 200, policy=towards(BACK))
    assert_smooth(commands)
    assert cell.guard.mode is GuardMode.HOLDING
    assert cell.guard.reason == NO_FRESH_OPERATOR_CHUNK
    np.testing.assert_array_equal(commands[-1], commands[-2])


def test_only_its_return_ends_operator_control(moving):
    guard = moving.guard
    guard.chunks.set_operator_control(True)
    guard.stop("e-stop")
    run(moving, 200, policy=towards(BACK))
    guard.reset()
    assert guard.chunks.operator_control
    guard.enable(moving.now_ns)
    rest = moving.positions
    run(moving, 100, policy=towards(BACK))
    np.testing.assert_array_equal(moving.positions, rest)
    assert guard.reason == WAITING_FOR_OPERATOR_CHUNK
    guard.disable()
    run(moving, 10, policy=towards(BACK))
    guard.enable(moving.now_ns)
    assert guard.chunks.operator_control


def test_an_invalid_operator_chunk_is_refused_by_its_name(cell):
    cell.guard.chunks.set_operator_control(True)
    with pytest.raises(CommandError, match="not finite"):
        run(cell, 1, operator=towards([np.nan, 0.0]))
    assert cell.guard.counters.refused_chunks == 1


def test_limited_commands_of_an_operator_and_at_a_scaled_speed_are_not_the_policys(cell):
    cell.guard.chunks.set_operator_control(True)
    run(cell, 30, operator=towards(AHEAD))
    cell.guard.chunks.set_operator_control(False)
    run(cell, 200)
    cell.guard.scale_speed(0.1)
    run(cell, 30, policy=towards(BACK))
    assert cell.guard.counters.limited_commands == 0
    cell.guard.scale_speed(1.0)
    run(cell, 30, policy=towards(BACK))
    assert cell.guard.counters.limited_commands > 0


def test_a_lower_speed_is_reached_within_the_acceleration_limits(moving):
    commands = [moving.positions, *run(moving, 40, policy=towards([9.0, 9.0]))]
    assert np.abs(np.diff(commands[-2:], axis=0)).max() / DT > 1.5
    moving.guard.scale_speed(0.1)
    slower = run(moving, 120, policy=towards([9.0, 9.0]))
    assert_smooth([*commands[-2:], *slower])
    assert np.abs(np.diff(slower[-2:], axis=0)).max() / DT == pytest.approx(0.2)


def test_a_scaled_speed_survives_enabling_and_stops_at_the_position_limit(cell):
    cell.guard.disable()
    run(cell, 10)
    cell.guard.scale_speed(0.5)
    cell.guard.enable(cell.now_ns)
    commands = sent(run(cell, 900, policy=towards([9.0, 9.0])))
    assert np.abs(np.diff(commands, axis=0)).max() / DT <= 1.0 + 1e-9
    assert (commands <= 1.0 + 1e-9).all()
    assert cell.positions == pytest.approx(1.0, abs=1e-3)


CHANGES = 200


def test_200_take_overs_and_returns_in_motion_keep_every_command_within_the_limits(cell):
    """The limits are checked from the commands alone."""
    rng = np.random.default_rng(7)
    start_ns = cell.now_ns

    def policy(now_ns):
        seconds = 1e-9 * (now_ns - start_ns)
        return towards(0.9 * np.sin([2.1 * seconds, 1.3 * seconds + 1.0]))(now_ns)

    def operator(now_ns):
        seconds = 1e-9 * (now_ns - start_ns)
        return towards(0.9 * np.cos([1.7 * seconds, 2.4 * seconds]))(now_ns)

    commands = [cell.positions]
    moving_changes = 0
    for change in range(CHANGES):
        commands += run(cell, int(rng.integers(5, 120)), policy, operator)
        moving_changes += cell.guard.moving
        cell.guard.chunks.set_operator_control(change % 2 == 0)
        cell.guard.scale_speed(float(rng.uniform(0.3, 1.0)))
        # The new source begins after a delay.
        commands += run(cell, int(rng.integers(0, 12)))
    assert moving_changes > 0.9 * CHANGES
    path = sent(commands)
    steps = np.diff(path, axis=0)
    assert (np.abs(path) <= 1.0 + 1e-9).all()
    assert (np.abs(steps) <= np.array(CONFIG.velocity_limit) * DT + 1e-9).all()
    changes = np.abs(np.diff(steps, axis=0))
    assert (changes <= np.array(CONFIG.acceleration_limit) * DT**2 + 1e-9).all()
    assert not cell.guard.stop_reason


def test_a_guard_starts_with_the_policy_in_control():
    guard = Cell(MotionGuard(CONFIG), START).guard
    assert not guard.chunks.operator_control
    assert guard.speed_scaling == 1.0
