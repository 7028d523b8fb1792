"""An ensemble of critics of chunks."""

import copy

import torch
from torch import Tensor, nn

from dbp_ros.rl.critic import Critic


class CriticEnsemble(nn.Module):
    """Values of the executed points of a chunk after an observation."""

    def __init__(self, observation: int, points: int, nu: int, widths: tuple[int, ...], n: int):
        """Build `n` independently initialised critics of chunks of `points` points."""
        super().__init__()
        self._points = points
        self.critics = nn.ModuleList(Critic(observation + points * nu, widths) for _ in range(n))

    def forward(self, observation: Tensor, chunks: Tensor) -> Tensor:
        """Return the value of each critic.

        Args:
            observation: Shape (B, observation).
            chunks: Normalised, not clipped. Shape (B, G, horizon, nu).

        Returns:
            Shape (critics, B, G).
        """
        executed = chunks[:, :, : self._points].flatten(2)
        observations = observation[:, None].expand(-1, chunks.shape[1], -1)
        inputs = torch.cat([observations, executed], dim=-1)
        return torch.stack([critic(inputs) for critic in self.critics])

    def target_network(self) -> "CriticEnsemble":
        """Return a copy without gradients."""
        return copy.deepcopy(self).requires_grad_(False)


def lower_confidence_bound(values: Tensor, num_std: float) -> Tensor:
    """Return the mean minus `num_std` standard deviations. Shape (n, ...) to (...)."""
    return values.mean(0) - num_std * values.std(0, correction=0)


def top_indices(values: Tensor, count: int) -> Tensor:
    """Return the indices of the largest values. Shape (B, G) to (B, count)."""
    return values.topk(count, dim=1).indices


def select(chunks: Tensor, indices: Tensor) -> Tensor:
    """Return chunks by index. Shapes (B, G, horizon, nu) and (B, K) to (B, K, horizon, nu)."""
    return chunks[torch.arange(len(chunks))[:, None], indices]
