"""Rate of the control loop, and recorded demonstrations."""

import numpy as np
import pytest

from dbp_ros.sim.camera import open_cameras
from dbp_ros.sim.control_loop import MOVED_RAD, ControlLoop, active_mode, demonstrate
from dbp_ros.sim.simulation import Simulation


@pytest.fixture(scope="module")
def simulation():
    return Simulation("lift")


def test_control_steps_do_not_drift_from_30_hz(simulation):
    loop = ControlLoop(simulation)
    loop.reset(0)
    for _ in range(30):
        loop.step(simulation.home)
    assert simulation.time_ns == pytest.approx(1e9, abs=4e6)


def test_a_command_is_interpolated(simulation):
    loop = ControlLoop(simulation)
    loop.reset(0)
    loop.step(simulation.home)
    target = simulation.home.copy()
    target[0] += 0.06
    loop.step(target)
    fast = np.abs(simulation.velocities[0])
    loop.step(target)
    assert fast < 0.06 * 30
    assert simulation.positions[0] < target[0]


def test_the_episode_is_truncated_at_the_time_limit(simulation):
    loop = ControlLoop(simulation)
    loop.reset(0)
    steps = 0
    while not loop.truncated:
        loop.step(simulation.home)
        steps += 1
    assert steps == round(simulation.time_limit_s * 30)


def test_a_demonstration_has_one_row_per_step_and_ends_solved(simulation):
    with open_cameras(simulation.model, ("head_camera",), 12, 12, "raycast") as rig:
        demo = demonstrate(simulation, rig, "left", 0, 0.005)
    steps = len(demo.positions)
    assert demo.actions.shape == demo.positions.shape == (steps, 14)
    assert demo.images["head_camera"].shape == (steps, 12, 12, 3)
    assert demo.rewards[0] == 0
    assert demo.rewards[-1] == 1
    assert demo.stamps_ns[0] == 0
    np.testing.assert_allclose(np.diff(demo.stamps_ns), 1e9 / 30, atol=4e6)


def test_a_seed_and_a_mode_determine_the_demonstration(simulation):
    first = demonstrate(simulation, None, "right", 5, 0.005)
    again = demonstrate(simulation, None, "right", 5, 0.005)
    np.testing.assert_array_equal(first.actions, again.actions)


def test_noise_moves_only_the_arm_in_use(simulation):
    clean = demonstrate(simulation, None, "left", 6, 0.0)
    noisy = demonstrate(simulation, None, "left", 6, 0.005)
    assert np.abs(clean.positions[10] - noisy.positions[10])[:6].max() > 1e-3
    np.testing.assert_allclose(noisy.positions[10][7:], clean.positions[10][7:], atol=1e-4)


class Still:
    """Executor that holds the home position."""

    def __init__(self, home):
        self.home, self.seeds = home, []

    def reset(self, seed):
        self.seeds.append(seed)

    def command(self, positions, images):
        return self.home


def test_an_executor_drives_while_the_expert_labels(simulation):
    executor = Still(simulation.home)
    demonstration = demonstrate(simulation, None, "left", 5, 0.0, executor)
    assert executor.seeds == [5]
    assert not demonstration.success
    assert len(demonstration.positions) == pytest.approx(30 * simulation.time_limit_s, abs=1)
    settled = demonstration.positions[15:]
    assert np.ptp(settled, axis=0).max() < 0.01
    offsets = np.abs(demonstration.actions[15:] - settled).max(axis=0)
    assert offsets[:6].max() > 0.05
    assert offsets[7:13].max() < 0.05


def test_the_expert_labels_for_the_arm_that_a_policy_uses():
    moved = np.zeros(14)
    assert active_mode("right", moved) == "right"
    moved[1] = MOVED_RAD / 2
    assert active_mode("right", moved) == "right"
    moved[2] = -MOVED_RAD
    assert active_mode("right", moved) == "left"
    assert active_mode("handover", moved) == "handover"
