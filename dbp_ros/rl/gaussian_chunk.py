"""The law of a sampled chunk, given its observation and its latent."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

_HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)


def played(executed: Tensor, horizon: int) -> Tensor:
    """Return which points were played. Shape (B,) to (B, horizon)."""
    return torch.arange(horizon, device=executed.device) < executed[:, None]


def over_played(points: Tensor, executed: Tensor) -> Tensor:
    """Return the sum over the points that were played. Shape (B, horizon) to (B,)."""
    return torch.where(played(executed, points.shape[1]), points, 0.0).sum(1)


@dataclass(frozen=True)
class GaussianChunk:
    """Independent normal numbers round a chunk.

    The latent is given: its own law does not depend on what is learned, so the ratio of two
    conditional densities is the ratio of the joint ones and nothing has to be marginalised.

    Attributes:
        mean: What the policy says without exploration. Shape (B, horizon, nu).
        log_sigma: Logarithm of the standard deviation. Shape (B, horizon, nu).
    """

    mean: Tensor
    log_sigma: Tensor

    def sample(self, chance: torch.Generator) -> Tensor:
        """Return one chunk for each row, not clipped. Shape (B, horizon, nu)."""
        noise = torch.randn(self.mean.shape, generator=chance)
        return self.mean + self.log_sigma.exp() * noise.to(self.mean.device)

    def log_prob(self, action: Tensor, executed: Tensor) -> Tensor:
        """Return the log density of the points that were played.

        Args:
            action: Shape (B, horizon, nu).
            executed: How many points. Shape (B,).

        Returns:
            Summed over points and actions. Shape (B,).
        """
        return over_played(self.point_log_prob(action), executed)

    def point_log_prob(self, action: Tensor) -> Tensor:
        """Return the log density of each point, summed over actions. Shape (B, horizon)."""
        apart = (action - self.mean) * (-self.log_sigma).exp()
        return (-0.5 * apart.square() - self.log_sigma - _HALF_LOG_TAU).sum(2)

    def divergence(self, other: "GaussianChunk", executed: Tensor) -> Tensor:
        """Return KL(self, other) of the points that were played, in closed form. Shape (B,)."""
        widening = other.log_sigma - self.log_sigma
        apart = (self.mean - other.mean) * (-other.log_sigma).exp()
        each = widening + 0.5 * ((-2.0 * widening).exp() + apart.square() - 1.0)
        return over_played(each.sum(2), executed)

    def rows(self, chosen: Tensor) -> "GaussianChunk":
        """Return some of the rows."""
        return replace(self, mean=self.mean[chosen], log_sigma=self.log_sigma[chosen])
