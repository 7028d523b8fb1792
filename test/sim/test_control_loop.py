"""Rate of the control loop, and recorded demonstrations."""

import numpy as np
import pytest

from dbp_ros.sim.camera import open_cameras
from dbp_ros.sim.control_loop import MOVED_RAD, ControlLoop, active_mode, demonstrate
from dbp_ros.sim.expert import Expert
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
    """Policy that holds the home position."""

    def __init__(self, home):
        self.home, self.seeds = home, []

    def reset(self, seed):
        self.seeds.append(seed)

    def command(self, positions, images):
        return self.home


def test_the_recording_starts_where_the_expert_takes_over(simulation):
    policy = Still(simulation.home)
    demonstration = demonstrate(simulation, None, "left", 5, 0.0, policy)
    assert policy.seeds == [5]
    assert demonstration.success
    assert demonstration.mode == "left"
    taken_over_s = demonstration.stamps_ns[0] / 1e9
    assert 0 < taken_over_s <= 0.5 * simulation.time_limit_s + 1 / 30
    np.testing.assert_allclose(demonstration.positions[0], simulation.home, atol=0.02)
    again = demonstrate(simulation, None, "left", 5, 0.0, policy)
    np.testing.assert_array_equal(again.actions, demonstration.actions)


def test_the_expert_takes_over_before_a_policy_solves_the_task(simulation):
    class Solving(Still):
        """Policy that repeats a demonstration."""

        def command(self, positions, images):
            self.step += 1
            return actions[min(self.step, len(actions) - 1)]

        def reset(self, seed):
            super().reset(seed)
            self.step = -1

    for seed in range(4):
        actions = demonstrate(simulation, None, "right", seed, 0.0).actions
        policy = Solving(simulation.home)
        demonstration = demonstrate(simulation, None, "left", seed, 0.0, policy)
        assert demonstration.success
        assert 0 < len(demonstration.actions) < len(actions) + 30


def test_an_arm_that_a_policy_has_moved_returns_at_a_limited_speed(simulation):
    loop = ControlLoop(simulation)
    loop.reset(0)
    away = simulation.home.copy()
    away[7:10] += 0.5
    for _ in range(60):
        loop.step(away)
    offset = Expert(simulation, "left").command() - simulation.positions
    assert np.abs(offset[7:13]).max() == pytest.approx(1.8 * 0.075)


def test_the_expert_continues_with_the_arm_that_a_policy_uses():
    moved = np.zeros(14)
    assert active_mode("right", moved) == "right"
    moved[1] = MOVED_RAD / 2
    assert active_mode("right", moved) == "right"
    moved[2] = -MOVED_RAD
    assert active_mode("right", moved) == "left"
    assert active_mode("handover", moved) == "handover"
