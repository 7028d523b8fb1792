"""The control loop keeps its rate and records what it should."""

import numpy as np
import pytest

from dbp_ros.sim.camera import open_cameras
from dbp_ros.sim.control_loop import ControlLoop, demonstrate
from dbp_ros.sim.simulation import Simulation


@pytest.fixture(scope="module")
def simulation():
    return Simulation("lift")


def test_control_steps_do_not_drift_from_30_hz(simulation):
    environment = ControlLoop(simulation)
    environment.reset(0)
    for _ in range(30):
        environment.step(simulation.home)
    assert simulation.time_ns == pytest.approx(1e9, abs=4e6)


def test_the_command_goes_there_in_small_steps(simulation):
    environment = ControlLoop(simulation)
    environment.reset(0)
    environment.step(simulation.home)
    target = simulation.home.copy()
    target[0] += 0.06
    environment.step(target)
    fast = np.abs(simulation.velocities[0])
    environment.step(target)
    assert fast < 0.06 * 30
    assert simulation.positions[0] < target[0]


def test_the_episode_is_truncated_at_the_time_limit(simulation):
    environment = ControlLoop(simulation)
    environment.reset(0)
    steps = 0
    while not environment.truncated:
        environment.step(simulation.home)
        steps += 1
    assert steps == round(simulation.time_limit_s * 30)


def test_a_demonstration_has_one_row_a_step_and_ends_solved(simulation):
    with open_cameras(simulation.model, ("head_camera",), 12, 12, "raycast") as rig:
        shown = demonstrate(simulation, rig, "left", 0, 0.005)
    steps = len(shown.positions)
    assert shown.actions.shape == shown.positions.shape == (steps, 14)
    assert shown.images["head_camera"].shape == (steps, 12, 12, 3)
    assert shown.rewards[0] == 0
    assert shown.rewards[-1] == 1
    assert shown.stamps_ns[0] == 0
    np.testing.assert_allclose(np.diff(shown.stamps_ns), 1e9 / 30, atol=4e6)


def test_a_seed_and_a_mode_give_the_same_demonstration_again(simulation):
    first = demonstrate(simulation, None, "right", 5, 0.005)
    again = demonstrate(simulation, None, "right", 5, 0.005)
    np.testing.assert_array_equal(first.actions, again.actions)


def test_noise_moves_the_arm_in_use_off_the_recorded_commands(simulation):
    calm = demonstrate(simulation, None, "left", 6, 0.0)
    shaken = demonstrate(simulation, None, "left", 6, 0.005)
    assert np.abs(calm.positions[10] - shaken.positions[10])[:6].max() > 1e-3
    np.testing.assert_allclose(shaken.positions[10][7:], calm.positions[10][7:], atol=1e-4)
