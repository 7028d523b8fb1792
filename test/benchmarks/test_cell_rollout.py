"""Rollouts in the simulated cell execute the predicted chunks from the given seed."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toy_episodes import episode
from toy_training import CONFIG

from benchmarks.decision import decide, decision_latency_ms
from benchmarks.methods import N_ACTION_STEPS
from dbp_ros.envs.env import CameraView
from dbp_ros.envs.local_vector_env import LocalVectorEnv
from dbp_ros.envs.registry import EnvSpec
from dbp_ros.learning.dataset import join_episodes
from dbp_ros.learning.trainer import Trainer
from dbp_ros.rl.rollout import run_episodes
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS
from dbp_ros.sim.control_loop import CONTROL_HZ, demonstrate
from dbp_ros.sim.simulation import Simulation


class Replay:
    """A policy that replays recorded actions and records its observations."""

    n_obs_steps, chunk_shape, feature_sizes = 1, (8, 14), {}
    normaliser = SimpleNamespace(absolute_actions=lambda chunks, measured: chunks)

    def __init__(self, actions, state_names):
        self.shape = SimpleNamespace(state_names=state_names, step_s=1 / CONTROL_HZ)
        self.actions, self.observations = torch.from_numpy(actions), []

    def observe(self, states, features):
        return states[:, 0]

    def method(self, observation, latent):
        start = len(self.observations) * N_ACTION_STEPS
        self.observations.append(observation[0].numpy())
        rows = torch.arange(start, start + 8).clamp(max=len(self.actions) - 1)
        return self.actions[rows][None, None]


def run_in_cell(policy, seed):
    view = CameraView(policy.shape.state_names, {}, policy.shape.step_s)
    env = LocalVectorEnv(EnvSpec("cell/lift", view=view), 1)
    settings = {"n_action_steps": N_ACTION_STEPS, "latent_time_constant_s": 0.2, "seed": 0}
    return run_episodes(env, policy, [seed], **settings).successes.tolist()


@pytest.fixture(scope="module")
def demonstration():
    return demonstrate(Simulation("lift"), None, "left", 3, 0.0)


def test_a_replayed_demonstration_solves_only_the_episode_of_its_seed(demonstration):
    assert run_in_cell(Replay(demonstration.actions, DUAL_UR5E_JOINTS), 3) == [True]
    assert run_in_cell(Replay(demonstration.actions, DUAL_UR5E_JOINTS), 4) == [False]


def test_a_policy_receives_the_state_columns_that_it_names_once_per_chunk(demonstration):
    replay = Replay(demonstration.actions, ("cube_z", "left_elbow_joint"))
    run_in_cell(replay, 3)
    elbow = DUAL_UR5E_JOINTS.index("left_elbow_joint")
    names = Simulation("lift").object_state_names
    expected = [
        demonstration.object_states[:, names.index("cube_z")],
        demonstration.positions[:, elbow],
    ]
    rows = np.transpose(expected)[::N_ACTION_STEPS]
    np.testing.assert_allclose(np.array(replay.observations)[: len(rows)], rows, atol=1e-5)


def test_a_decision_from_images_is_one_chunk_and_takes_time():
    policy = Trainer(CONFIG, join_episodes([(episode(0), "0"), (episode(1), "1")])).ema.network
    images = {
        name: np.zeros((1, *size, 3), np.uint8) for name, size in policy.shape.cameras.items()
    }
    assert len(images) == 2
    latent = np.zeros(policy.chunk_shape, np.float32)
    chunk = decide(policy, np.zeros((1, 3), np.float32), images, latent)
    assert chunk.shape == policy.chunk_shape
    assert decision_latency_ms(policy, passes=1) > 0
