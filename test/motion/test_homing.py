"""The homing path: slow, straight, at rest at both ends."""

import numpy as np
import pytest

from dbp_ros.errors import CommandError
from dbp_ros.motion.homing import HomingPath, check_home

START = np.array([0.3, -1.0, 0.02])
GOAL = np.array([-0.5, 1.5, 0.085])
VELOCITY = np.array([0.4, 0.4, 0.04])
ACCELERATION = np.array([2.4, 2.4, 0.4])


def sampled(path: HomingPath, count: int = 2000) -> tuple[np.ndarray, float]:
    times = np.linspace(0.0, path.duration_s, count)
    return path.positions(times), float(times[1])


def test_a_path_starts_at_the_present_positions_and_rests_at_the_goal():
    path = HomingPath(START, GOAL, VELOCITY, ACCELERATION)
    first, last, later = path.positions(np.array([0.0, path.duration_s, path.duration_s + 9.0]))
    assert first == pytest.approx(START)
    assert last == pytest.approx(GOAL)
    assert later == pytest.approx(GOAL)


def test_a_path_reaches_the_limits_of_the_slowest_joint_and_exceeds_none():
    positions, dt = sampled(HomingPath(START, GOAL, VELOCITY, ACCELERATION))
    speed = np.abs(np.diff(positions, axis=0)) / dt
    acceleration = np.abs(np.diff(positions, 2, axis=0)) / dt**2
    assert (speed <= VELOCITY * 1.001).all()
    assert (acceleration <= ACCELERATION * 1.001).all()
    assert speed.max(axis=0)[1] == pytest.approx(VELOCITY[1], rel=1e-3)


def test_a_short_path_is_limited_by_the_acceleration():
    path = HomingPath(START, START + 0.2, np.full(3, 100.0), np.full(3, 0.5))
    positions, dt = sampled(path)
    acceleration = np.abs(np.diff(positions, 2, axis=0)) / dt**2
    assert acceleration.max() == pytest.approx(0.5, rel=1e-2)


def test_a_path_is_straight_and_at_rest_at_both_ends():
    positions, dt = sampled(HomingPath(START, GOAL, VELOCITY, ACCELERATION))
    share = (positions - START) / (GOAL - START)
    assert np.ptp(share, axis=1).max() < 1e-9
    speed = np.abs(np.diff(positions, axis=0)) / dt
    assert speed[[0, -1]].max() < 1e-3


def test_a_path_of_zero_length_is_constant():
    path = HomingPath(START, START, VELOCITY, ACCELERATION)
    assert path.duration_s > 0.0
    assert path.positions(np.array([0.1])) == pytest.approx(START[None])


def test_a_home_pose_for_another_robot_is_refused():
    with pytest.raises(CommandError, match="14 numbers, expected 2, one for each joint"):
        check_home(("a", "b"), (0.0,) * 14, (-1.0, -1.0), (1.0, 1.0))


def test_a_home_pose_in_degrees_is_refused_by_name():
    with pytest.raises(CommandError, match="90 for b, expected -1 to 1"):
        check_home(("a", "b"), (0.0, 90.0), (-1.0, -1.0), (1.0, 1.0))
