"""Losses and statistics of a PPO update."""

import torch
from torch import Tensor

from dbp_ros.rl.advantages import AdvantageEstimate
from dbp_ros.rl.gaussian_chunk import GaussianChunk, sum_executed
from dbp_ros.rl.ppo_batch import PPOBatch, Reference
from dbp_ros.settings.finetune import FinetuneConfig

ANCHOR_WEIGHT_FACTOR = 1.5
ANCHOR_WEIGHT_RANGE = 1e3


def clipped_surrogate(
    distribution: GaussianChunk,
    batch: PPOBatch,
    reference: Reference,
    rows: Tensor,
    clip_ratio: float,
) -> Tensor:
    """Return the negative clipped surrogate of PPO (arXiv 1707.06347).

    Args:
        distribution: Current distribution of the rows.
        batch: All decisions.
        reference: The policy before the update.
        rows: The minibatch.
        clip_ratio: Clip range of the ratio.
    """
    log_prob = distribution.log_prob(batch.action[rows], batch.executed[rows])
    ratio = (log_prob - reference.log_prob[rows]).exp()
    clipped = ratio.clamp(1.0 - clip_ratio, 1.0 + clip_ratio)
    advantages = batch.advantages[rows]
    surrogate = torch.minimum(ratio * advantages, clipped * advantages)
    return -(reference.importance[rows] * surrogate).mean()


def anchor_distance(
    distribution: GaussianChunk,
    batch: PPOBatch,
    reference: Reference,
    rows: Tensor,
    unit: float,
) -> Tensor:
    """Return the mean squared distance of the executed points from the anchor. Shape (B,).

    Arguments are those of `clipped_surrogate`, and `unit`, the unit of the distance.
    """
    difference = (distribution.mean - reference.anchor[rows]) / unit
    executed = batch.executed[rows]
    return sum_executed(difference.square().mean(2), executed) / executed


def adapted_anchor_weight(weight: float, distance: float, config: FinetuneConfig) -> float:
    """Return an increased anchor weight for a policy too far from the anchor, else a decreased one.

    Args:
        weight: Of the last update.
        distance: RMS distance of the policy from the anchor.
        config: Its largest distance, and the initial weight.
    """
    too_far = distance > config.anchor_distance
    change = ANCHOR_WEIGHT_FACTOR if too_far else 1.0 / ANCHOR_WEIGHT_FACTOR
    low = config.anchor_weight / ANCHOR_WEIGHT_RANGE
    return min(max(weight * change, low), config.anchor_weight * ANCHOR_WEIGHT_RANGE)


def max_abs(differences: Tensor) -> float:
    """Return the largest absolute value; 0 for an empty tensor."""
    return float(differences.abs().max()) if len(differences) else 0.0


def explained_variance(estimate: AdvantageEstimate, used: Tensor) -> float:
    """Return the fraction of the returns' variance that the critic explains."""
    residual, returns = estimate.advantages[used], estimate.returns[used]
    return float(1.0 - residual.var(correction=0) / (returns.var(correction=0) + 1e-8))
