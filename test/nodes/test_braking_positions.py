"""A motion to the start pose is braked from where the arms are."""

import numpy as np
import pytest

from dbp_ros.motion.homing import HomingPath
from dbp_ros.nodes.trajectory_homing import OFF_PATH, braking_positions

TIMES_S = np.linspace(0.1, 0.5, 5)


@pytest.fixture
def path() -> HomingPath:
    return HomingPath(np.zeros(2), np.array([1.0, -0.5]), np.full(2, 0.5), np.full(2, 1.0))


def test_arms_on_the_path_come_to_rest_on_it(path: HomingPath) -> None:
    [measured] = path.positions(np.array([0.4 * path.duration_s]))
    braking = braking_positions(path, measured, 0.0, TIMES_S)
    steps = np.diff([measured, *braking], axis=0)
    assert (np.abs(steps[0]) <= 0.1 * np.array([0.5, 0.5])).all()
    assert (np.abs(np.diff(np.abs(steps), axis=0)) < np.abs(steps[0])).all()
    assert np.abs(steps[-1]).max() < 0.3 * np.abs(steps[0]).max()


def test_a_slower_controller_is_braked_where_its_arms_are(path: HomingPath) -> None:
    [measured] = path.positions(np.array([0.1 * path.duration_s]))
    assert np.abs(braking_positions(path, measured, 0.0, TIMES_S) - measured).max() < 0.2


def test_an_arm_beside_the_path_stays(path: HomingPath) -> None:
    measured = np.array([0.5, 2.0 * OFF_PATH])
    np.testing.assert_array_equal(
        braking_positions(path, measured, 0.0, TIMES_S), np.tile(measured, (5, 1))
    )


def test_without_joint_states_the_arms_brake_where_the_controllers_move_them(
    path: HomingPath,
) -> None:
    elapsed_s = 0.3 * path.duration_s
    [there] = path.positions(np.array([elapsed_s]))
    np.testing.assert_array_equal(
        braking_positions(path, None, elapsed_s, TIMES_S),
        braking_positions(path, there, 0.0, TIMES_S),
    )
