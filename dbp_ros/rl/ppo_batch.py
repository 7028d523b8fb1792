"""What one update learns from, and what it is measured against."""

from dataclasses import dataclass

from torch import Tensor

from dbp_ros.rl.gaussian_chunk import GaussianChunk


@dataclass(frozen=True)
class PPOBatch:
    """Decisions that are learned from, in one row.

    Attributes:
        observation: Shape (B, observation).
        latent: Shape (B, horizon, nu).
        action: Shape (B, horizon, nu).
        executed: Shape (B,).
        log_prob: Of the behaviour, as recorded. Shape (B,).
        own: Whether the policy as it is now was the behaviour. Shape (B,).
        advantages: Shape (B,).
        returns: Shape (B,).
    """

    observation: Tensor
    latent: Tensor
    action: Tensor
    executed: Tensor
    log_prob: Tensor
    own: Tensor
    advantages: Tensor
    returns: Tensor

    def __len__(self) -> int:
        return len(self.returns)


@dataclass(frozen=True)
class Reference:
    """What an update is measured against.

    Attributes:
        law: Of each lesson's chunk before the update.
        log_prob: Of each lesson's action by that law. Shape (B,).
        weight: How likely that law was to do the same, as a share of the behaviour's likelihood:
            1 for its own decisions, and never more. Shape (B,).
        imitated: What the imitated policy would have played. Shape (B, horizon, nu).
    """

    law: GaussianChunk
    log_prob: Tensor
    weight: Tensor
    imitated: Tensor
