"""Demonstrations of medium quality for Gymnasium's control tasks.

A policy is pretrained on random actions, trained online for a short time, and recorded.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.methods import BASE_CONFIG
from dbp_ros.data.episode import Episode, episode_path, read_episodes, write_episode
from dbp_ros.envs.local_vector_env import LocalVectorEnv
from dbp_ros.envs.registry import EnvSpec
from dbp_ros.files import atomic_folder, locked
from dbp_ros.learning.checkpoint import Checkpoint
from dbp_ros.learning.dataset import Demonstrations, join_episodes
from dbp_ros.learning.trainer import Trainer
from dbp_ros.rl.learner import Learner
from dbp_ros.rl.online_training import OnlineTraining, OnlineTrainingConfig
from dbp_ros.rl.registry import build_learner
from dbp_ros.settings.finetune import FinetuneConfig
from dbp_ros.types import Floats, seconds_to_ns

# Relative to the action range of 1, so that the actions at a state are multimodal.
RECORDED_NOISE = 0.1
RECORDED_SEEDS = 500_000_000
LOCK_TIMEOUT_S = 3600.0

PRETRAINING = replace(
    BASE_CONFIG,
    method="bc_mse",
    num_samples=1,
    num_steps=300,
    horizon=1,
    width=64,
    branch_width=64,
    depth=1,
)
# Common PPO settings for these tasks, one action per decision.
PPO = FinetuneConfig(
    algorithm="gaussian_ppo",
    n_action_steps=1,
    init_noise_std=0.4,
    min_noise_std=0.1,
    max_noise_std=0.6,
    target_kl=0.03,
    num_learning_epochs=10,
    minibatch_size=64,
    actor_learning_rate=3e-4,
    anchor_weight=0.0,
    critic_warmup_updates=1,
    num_envs=8,
    decisions_per_env=256,
)


@dataclass(frozen=True)
class RecordingSize:
    """How much is recorded: episodes at random, episodes of the policy, and its training steps."""

    random_episodes: int = 100
    episodes: int = 40
    training_steps: int = 200_000


def medium_data(
    name: str, seed: int, directory: Path, size: RecordingSize = RecordingSize()
) -> Demonstrations:
    """Return episodes of a partially trained policy, recorded once under a file lock.

    Args:
        name: Gymnasium environment id.
        seed: Seed of training and recording.
        directory: Folder of the recordings.
        size: Amount of training and recording.
    """
    folder = directory / f"{name}_{seed}_{size.training_steps}"
    with locked(directory / f".{folder.name}.lock", LOCK_TIMEOUT_S):
        if not folder.exists():
            with atomic_folder(folder) as aside:
                for index, episode in enumerate(_record(name, seed, size)):
                    write_episode(episode_path(aside, index), episode)
    return join_episodes((e, f"{name} {i}") for i, e in enumerate(read_episodes(folder)))


def _record(name: str, seed: int, size: RecordingSize) -> Iterator[Episode]:
    trainer = Trainer(replace(PRETRAINING, seed=seed), _random_data(name, seed, size))
    trainer.train()
    learner = train_medium(name, trainer.checkpoint(), seed, size.training_steps)
    spec, rng = EnvSpec(name), np.random.default_rng(seed)
    for index in range(size.episodes):
        yield _rollout(spec, RECORDED_SEEDS + 1_000 * seed + index, learner, rng)


def train_medium(name: str, pretrained: Checkpoint, seed: int, steps: int) -> Learner:
    """Return a learner trained for some environment steps."""
    learner = build_learner(pretrained.policy(), replace(PPO, seed=seed))
    config = OnlineTrainingConfig(steps=steps, eval_every=10**9, eval_episodes=1)
    environments = (
        LocalVectorEnv(EnvSpec(name), learner.config.num_envs),
        LocalVectorEnv(EnvSpec(name), 1),
    )
    OnlineTraining(config, learner, pretrained, *environments).run()
    return learner


def _random_data(name: str, seed: int, size: RecordingSize) -> Demonstrations:
    rng, spec = np.random.default_rng((seed, 1)), EnvSpec(name)
    return join_episodes(
        (_rollout(spec, 1_000 * seed + index, None, rng), f"random {index}")
        for index in range(size.random_episodes)
    )


def _rollout(
    spec: EnvSpec, seed: int, learner: Learner | None, rng: np.random.Generator
) -> Episode:
    """Run one episode with a policy and noise, or with noise alone."""
    io_spec, env = spec.io_spec(), spec.make()
    state, ended = env.reset(seed), False
    states: list[Floats] = []
    actions: list[Floats] = []
    rewards: list[float] = []
    while not ended:
        if learner is None:
            action = rng.uniform(-1, 1, len(io_spec.action_names))
        else:
            noise = RECORDED_NOISE * rng.standard_normal(len(io_spec.action_names))
            action = (_mean_action(learner, state) + noise).clip(-1, 1)
        result = env.step(action)
        states.append(state)
        actions.append(action.astype(np.float32))
        rewards.append(result.reward)
        state, ended = result.state, result.terminated or result.truncated
    env.close()
    return Episode(
        task=spec.id,
        seed=seed,
        mode="random" if learner is None else "medium",
        outcome="failure" if result.terminated else "success",
        termination_reason="failure" if result.terminated else "time_limit",
        state_names=io_spec.state_names,
        action_names=io_spec.action_names,
        step_s=io_spec.step_s,
        states=np.stack(states),
        actions=np.stack(actions),
        rewards=np.array(rewards, np.float32),
        stamps_ns=np.arange(len(states)) * seconds_to_ns(io_spec.step_s),
    )


@torch.no_grad()
def _mean_action(learner: Learner, state: Floats) -> Floats:
    policy = learner.policy
    latent = torch.zeros(1, 1, *policy.chunk_shape)
    chunk = policy.act(torch.from_numpy(state)[None, None], {}, latent)
    action: Floats = chunk[0, 0, 0].numpy()
    return action
