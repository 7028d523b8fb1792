"""Sweeps of one joint after the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbp_ros.motion.joint_sweeps import MAX_AMPLITUDE, JointSweeps

LOWER, UPPER = np.array([-3.0, 0.0, -1.0]), np.array([3.0, 0.085, 2.0])
VELOCITY, ACCELERATION = np.array([0.4, 0.04, 0.02]), np.array([2.4, 0.4, 0.05])


def sampled(start: np.ndarray) -> tuple[JointSweeps, np.ndarray, float]:
    path = JointSweeps(start, LOWER, UPPER, VELOCITY, ACCELERATION)
    times_s = np.linspace(0.0, path.duration_s, 4001)
    return path, path.positions(times_s), times_s[1]


@given(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3))
def test_positions_velocities_and_accelerations_stay_within_the_limits(shares: list[float]) -> None:
    _, positions, dt = sampled(LOWER + np.array(shares) * (UPPER - LOWER))
    assert (positions >= LOWER - 1e-12).all()
    assert (positions <= UPPER + 1e-12).all()
    velocity = np.diff(positions, axis=0) / dt
    assert (np.abs(velocity) <= 1.001 * VELOCITY).all()
    assert (np.abs(np.diff(velocity, axis=0)) / dt <= 1.01 * ACCELERATION).all()


def test_one_joint_moves_at_a_time_and_returns() -> None:
    start = np.array([0.5, 0.08, -0.9])
    path, positions, _ = sampled(start)
    assert path.goal == pytest.approx(start)
    assert positions[[0, -1]] == pytest.approx(np.stack([start, start]))
    moving = np.abs(positions - start) > 1e-9
    assert (moving.sum(axis=1) <= 1).all()
    assert moving.any(axis=0).all()
    order = path.moving_joints(np.linspace(0.0, path.duration_s, 4001))
    assert (np.diff(order) >= 0).all()
    for joint in range(3):
        assert not moving[order != joint, joint].any()


def test_a_joint_moves_towards_the_middle_of_its_range() -> None:
    path = sampled(np.array([0.5, 0.08, -0.9]))[0]
    assert path.amplitude == pytest.approx([-MAX_AMPLITUDE, -0.0085, MAX_AMPLITUDE])
