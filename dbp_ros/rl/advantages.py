"""Generalised advantage estimation for decisions of several control steps."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class AdvantageEstimate:
    """Advantages and value targets.

    Attributes:
        advantages: Shape (T, N).
        returns: Targets of the critic. Shape (T, N).
    """

    advantages: Tensor
    returns: Tensor


def estimate_advantages(
    reward: Tensor,
    value: Tensor,
    successor_value: Tensor,
    discount: Tensor,
    terminated: Tensor,
    continues: Tensor,
    gae_lambda: float,
) -> AdvantageEstimate:
    """Return generalised advantage estimates of a semi-Markov process.

    `delta = R + d (1 - terminated) V(s') - V(s)` and `A_t = delta_t + d lambda A_{t+1}` within an
    episode (arXiv 1506.02438, with `d = gamma^n` for a decision of n steps). A truncated episode
    bootstraps from the value of its last state.

    Args:
        reward: `sum gamma^k r_k` of each decision. Shape (T, N).
        value: Of the observation. Shape (T, N).
        successor_value: Of the observation after the executed points. Shape (T, N).
        discount: `gamma^n`. Shape (T, N).
        terminated: Shape (T, N).
        continues: From `episode_continues`. Shape (T, N).
        gae_lambda: Lambda per decision.
    """
    delta = reward + torch.where(terminated, 0.0, discount * successor_value) - value
    decay = torch.where(continues, gae_lambda * discount, 0.0)
    advantages, next_advantage = torch.empty_like(delta), torch.zeros_like(delta[0])
    for time in range(len(delta) - 1, -1, -1):
        next_advantage = delta[time] + decay[time] * next_advantage
        advantages[time] = next_advantage
    return AdvantageEstimate(advantages, advantages + value)


def episode_continues(ended: Tensor, usable: Tensor) -> Tensor:
    """Return whether the next row is usable and of the same episode. Shape (T, N).

    Args:
        ended: Shape (T, N).
        usable: Decisions that an update uses. Shape (T, N).
    """
    next_usable = torch.cat([usable[1:], torch.zeros_like(usable[:1])])
    return ~ended & next_usable
