"""A small policy, and transitions of its exploration without an environment."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.policy_network import PolicyNetwork, PolicyShape
from dbp_ros.rl.learner import Learner
from dbp_ros.rl.transitions import Transitions
from dbp_ros.settings.finetune import FinetuneConfig

SHAPE = PolicyShape(("x", "y", "z"), ("u", "v"), {}, {}, 0.1)
TRAINED = TrainConfig(horizon=4, width=32, branch_width=32, depth=1, latent_dct_modes=0)
CONFIG = FinetuneConfig(
    n_action_steps=3, critic_warmup_updates=0, minibatch_size=32, critic_hidden_dims=(32, 32)
)


def policy(method: str = "dbp") -> PolicyNetwork:
    """Return a policy with random weights."""
    torch.manual_seed(0)
    network = PolicyNetwork(
        SHAPE, replace(TRAINED, method=method, num_samples=1 if method == "bc_mse" else 8)
    )
    return network.eval().requires_grad_(False)


def observations_and_latents(times: int, streams: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return observations and latents, of shapes (T, N, 3) and (T, N, 4, 2)."""
    generator = torch.Generator().manual_seed(seed)
    observation = torch.randn(times, streams, 3, generator=generator)
    return observation, torch.randn(times, streams, 4, 2, generator=generator)


def sampled_transitions(
    learner: Learner, times: int = 16, streams: int = 8, seed: int = 0, **changes: Any
) -> Transitions:
    """Return transitions of a learner; the reward is the first action.

    Every seventh decision terminates, every eleventh is truncated, and some chunks are executed in
    part.
    """
    observation, latent = observations_and_latents(times, streams, seed)
    generator = torch.Generator().manual_seed(seed)
    explored = learner.explore(observation.flatten(0, 1), latent.flatten(0, 1), generator)
    action = explored.action.unflatten(0, (times, streams))
    number = torch.arange(times * streams).reshape(times, streams)
    executed = 1 + number % learner.config.n_action_steps
    transitions = Transitions(
        observation=observation,
        latent=latent,
        action=action,
        log_prob=explored.log_prob(executed.flatten()).reshape(times, streams),
        executed=executed,
        reward=action[:, :, 0, 0].clone(),
        terminated=number % 7 == 6,
        truncated=(number % 11 == 10) & (number % 7 != 6),
        successor=observations_and_latents(times, streams, seed + 1)[0],
        version=torch.full((times, streams), learner.version),
        valid=torch.ones(times, streams, dtype=torch.bool),
    )
    return replace(transitions, **changes)
