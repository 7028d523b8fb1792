"""The distribution of a chunk, given its observation and its latent."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

_HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)


def executed_mask(executed: Tensor, horizon: int) -> Tensor:
    """Return a mask of the executed points. Shape (B,) to (B, horizon)."""
    return torch.arange(horizon, device=executed.device) < executed[:, None]


def sum_executed(points: Tensor, executed: Tensor) -> Tensor:
    """Return the sum over the executed points. Shape (B, horizon) to (B,)."""
    return torch.where(executed_mask(executed, points.shape[1]), points, 0.0).sum(1)


@dataclass(frozen=True)
class GaussianChunk:
    """Diagonal Gaussian around a chunk, conditioned on the latent.

    The distribution of the latent is not learned, so the ratio of
    two conditional densities equals that of the joint densities.

    Attributes:
        mean: Chunk without exploration. Shape (B, horizon, nu).
        log_sigma: Logarithm of the standard deviation. Shape (B, horizon, nu).
    """

    mean: Tensor
    log_sigma: Tensor

    def sample(self, generator: torch.Generator) -> Tensor:
        """Sample one chunk for each row, not clipped. Shape (B, horizon, nu)."""
        noise = torch.randn(self.mean.shape, generator=generator)
        return self.mean + self.log_sigma.exp() * noise.to(self.mean.device)

    def log_prob(self, action: Tensor, executed: Tensor) -> Tensor:
        """Return the log density of the executed points.

        Args:
            action: Shape (B, horizon, nu).
            executed: Number of executed points. Shape (B,).

        Returns:
            Summed over points and actions. Shape (B,).
        """
        return sum_executed(self.point_log_prob(action), executed)

    def point_log_prob(self, action: Tensor) -> Tensor:
        """Return the log density of each point, summed over actions. Shape (B, horizon)."""
        standardised = (action - self.mean) * (-self.log_sigma).exp()
        return (-0.5 * standardised.square() - self.log_sigma - _HALF_LOG_TAU).sum(2)

    def kl(self, other: "GaussianChunk", executed: Tensor) -> Tensor:
        """Return KL(self, other) of the executed points. Shape (B,)."""
        log_ratio = other.log_sigma - self.log_sigma
        difference = (self.mean - other.mean) * (-other.log_sigma).exp()
        divergence = log_ratio + 0.5 * ((-2.0 * log_ratio).exp() + difference.square() - 1.0)
        return sum_executed(divergence.sum(2), executed)

    def rows(self, indices: Tensor) -> "GaussianChunk":
        """Return some of the rows."""
        return replace(self, mean=self.mean[indices], log_sigma=self.log_sigma[indices])
