"""Advantage estimates for decisions of several control steps."""

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
        continues: From `continuing`. Shape (T, N).
        gae_lambda: For a decision.
    """
    delta = reward + torch.where(terminated, 0.0, discount * successor_value) - value
    decay = torch.where(continues, gae_lambda * discount, 0.0)
    advantages, following = torch.empty_like(delta), torch.zeros_like(delta[0])
    for time in range(len(delta) - 1, -1, -1):
        following = delta[time] + decay[time] * following
        advantages[time] = following
    return AdvantageEstimate(advantages, advantages + value)


def continuing(ended: Tensor, usable: Tensor) -> Tensor:
    """Return where the next row belongs to the same episode and is usable.

    Args:
        ended: Shape (T, N).
        usable: Decisions that an update uses. Shape (T, N).
    """
    next_usable = torch.cat([usable[1:], torch.zeros_like(usable[:1])])
    return ~ended & next_usable
