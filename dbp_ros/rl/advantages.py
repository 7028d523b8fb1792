"""Advantages of decisions that last several control steps."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class AdvantageEstimate:
    """What decisions were worth.

    Attributes:
        advantages: Over the critic's value. Shape (T, N).
        returns: What the critic should have said. Shape (T, N).
    """

    advantages: Tensor
    returns: Tensor


def estimate_advantages(
    reward: Tensor,
    value: Tensor,
    successor_value: Tensor,
    span: Tensor,
    terminated: Tensor,
    flows: Tensor,
    trace: float,
) -> AdvantageEstimate:
    """Return generalised advantage estimates of a semi-Markov process.

    `delta = R + span (1 - terminated) V(s') - V(s)` and `A_t = delta_t + span lambda A_{t+1}`
    where the episode goes on (arXiv 1506.02438, with `span = gamma^n` of a decision of n steps). A
    truncated episode keeps the value of its true last state; none of the next one's flows back.

    Args:
        reward: `sum gamma^k r_k` of each decision. Shape (T, N).
        value: Of the observation decided from. Shape (T, N).
        successor_value: Of the true observation afterwards. Shape (T, N).
        span: `gamma^n`. Shape (T, N).
        terminated: Shape (T, N).
        flows: Whether the advantage of the next row is this one's future. Shape (T, N).
        trace: Lambda, for a decision.
    """
    delta = reward + torch.where(terminated, 0.0, span * successor_value) - value
    carried = torch.where(flows, trace * span, 0.0)
    advantages, later = torch.empty_like(delta), torch.zeros_like(delta[0])
    for time in range(len(delta) - 1, -1, -1):
        later = delta[time] + carried[time] * later
        advantages[time] = later
    return AdvantageEstimate(advantages, advantages + value)


def flowing(ended: Tensor, usable: Tensor) -> Tensor:
    """Return where credit flows back from the next row.

    Not over the end of an episode, and not from what somebody else did.

    Args:
        ended: Shape (T, N).
        usable: Which decisions are learned from. Shape (T, N).
    """
    next_usable = torch.cat([usable[1:], torch.zeros_like(usable[:1])])
    return ~ended & next_usable
