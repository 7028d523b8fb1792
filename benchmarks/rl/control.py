"""Data of medium quality for gymnasium's control tasks, made by our own learner.

There are no demonstrations of these tasks to download here, and none are needed: a policy that
has imitated random actions practises for a while, far from long enough, and is recorded.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.methods import RUN
from dbp_ros.data.episode import Episode, episode_path, read_episodes, write_episode
from dbp_ros.envs.local_vector_env import LocalVectorEnv
from dbp_ros.envs.registry import EnvId
from dbp_ros.files import folder_aside, locked
from dbp_ros.learning.checkpoint import Checkpoint
from dbp_ros.learning.dataset import Demonstrations, join_episodes
from dbp_ros.learning.trainer import Trainer
from dbp_ros.rl.config import FinetuneConfig
from dbp_ros.rl.learner import Learner
from dbp_ros.rl.online_training import OnlineTraining, OnlineTrainingConfig
from dbp_ros.rl.registry import build_learner
from dbp_ros.types import Floats, seconds_to_ns

RANDOM_EPISODES = 100
RECORDED_EPISODES = 40
# Of the recorded actions' range of 1, so that the same state is left in more than one way.
RECORDED_NOISE = 0.1
RECORDED_SEEDS = 500_000_000
MEDIUM_STEPS = 200_000
PATIENCE_S = 3600.0

BEGINNER = replace(
    RUN,
    method="bc_mse",
    num_samples=1,
    num_steps=300,
    horizon=1,
    width=64,
    branch_width=64,
    depth=1,
)
# Proximal policy optimisation as it is commonly set for these tasks, one action a decision.
FROM_NOTHING = FinetuneConfig(
    algorithm="gaussian_ppo",
    n_action_steps=1,
    sigma=0.4,
    sigma_low=0.1,
    sigma_high=0.6,
    kl_target=0.03,
    epochs=10,
    minibatch=64,
    actor_learning_rate=3e-4,
    anchor_weight=0.0,
    critic_warm_up=1,
    environments=8,
    decisions=256,
)


def medium_data(name: str, seed: int, directory: Path) -> Demonstrations:
    """Return episodes of a half-trained policy, recorded once; who comes meanwhile waits for them.

    Args:
        name: Id of gymnasium.
        seed: Of everything.
        directory: Where recordings are kept.
    """
    folder = directory / f"{name}_{seed}_{MEDIUM_STEPS}"
    with locked(directory / f".{folder.name}.lock", PATIENCE_S):
        if not folder.exists():
            with folder_aside(folder) as aside:
                for index, episode in enumerate(_record(name, seed)):
                    write_episode(episode_path(aside, index), episode)
    return join_episodes((e, f"{name} {i}") for i, e in enumerate(read_episodes(folder)))


def _record(name: str, seed: int) -> Iterator[Episode]:
    beginner = Trainer(replace(BEGINNER, seed=seed), _random_data(name, seed))
    beginner.train()
    learner = half_trained(name, beginner.checkpoint(), seed)
    gym, chance = EnvId(name), np.random.default_rng(seed)
    for index in range(RECORDED_EPISODES):
        yield _played(gym, RECORDED_SEEDS + 1_000 * seed + index, learner, chance)


def half_trained(name: str, beginner: Checkpoint, seed: int) -> Learner:
    """Return a learner that has practised for `MEDIUM_STEPS`."""
    learner = build_learner(beginner.policy(), replace(FROM_NOTHING, seed=seed))
    config = OnlineTrainingConfig(steps=MEDIUM_STEPS, eval_every=10**9, eval_episodes=1)
    environments = (
        LocalVectorEnv(EnvId(name), learner.config.environments),
        LocalVectorEnv(EnvId(name), 1),
    )
    OnlineTraining(config, learner, beginner, *environments).go()
    return learner


def _random_data(name: str, seed: int) -> Demonstrations:
    chance, gym = np.random.default_rng((seed, 1)), EnvId(name)
    return join_episodes(
        (_played(gym, 1_000 * seed + index, None, chance), f"random {index}")
        for index in range(RANDOM_EPISODES)
    )


def _played(gym: EnvId, seed: int, learner: Learner | None, chance: np.random.Generator) -> Episode:
    """Play one episode with a policy and noise, or with noise alone."""
    wiring, world = gym.wiring(), gym.make()
    state, over = world.reset(seed), False
    states: list[Floats] = []
    actions: list[Floats] = []
    rewards: list[float] = []
    while not over:
        if learner is None:
            action = chance.uniform(-1, 1, len(wiring.action_names))
        else:
            noise = RECORDED_NOISE * chance.standard_normal(len(wiring.action_names))
            action = (_decided(learner, state) + noise).clip(-1, 1)
        moment = world.step(action)
        states.append(state)
        actions.append(action.astype(np.float32))
        rewards.append(moment.reward)
        state, over = moment.state, moment.terminated or moment.truncated
    world.close()
    return Episode(
        task=gym.name,
        seed=seed,
        mode="random" if learner is None else "medium",
        outcome="failure" if moment.terminated else "success",
        termination_reason="failure" if moment.terminated else "time_limit",
        state_names=wiring.state_names,
        action_names=wiring.action_names,
        step_s=wiring.step_s,
        states=np.stack(states),
        actions=np.stack(actions),
        rewards=np.array(rewards, np.float32),
        stamps_ns=np.arange(len(states)) * seconds_to_ns(wiring.step_s),
    )


@torch.no_grad()
def _decided(learner: Learner, state: Floats) -> Floats:
    policy = learner.policy
    latent = torch.zeros(1, 1, *policy.chunk_shape)
    chunk = policy.act(torch.from_numpy(state)[None, None], {}, latent)
    action: Floats = chunk[0, 0, 0].numpy()
    return action
