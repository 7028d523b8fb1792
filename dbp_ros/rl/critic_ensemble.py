"""Several critics that judge chunks, and what to make of their disagreement."""

import copy

import torch
from torch import Tensor, nn

from dbp_ros.rl.critic import Critic


class CriticEnsemble(nn.Module):
    """From an observation and the points of a chunk that would be played to its value."""

    def __init__(self, observation: int, points: int, nu: int, widths: tuple[int, ...], n: int):
        """Build `n` critics, each with its own start."""
        super().__init__()
        self._points = points
        self.critics = nn.ModuleList(Critic(observation + points * nu, widths) for _ in range(n))

    def forward(self, observation: Tensor, chunks: Tensor) -> Tensor:
        """Return what each critic says.

        Args:
            observation: Shape (B, observation).
            chunks: Normalised, not clipped. Shape (B, G, horizon, nu).

        Returns:
            Shape (critics, B, G).
        """
        played = chunks[:, :, : self._points].flatten(2)
        seen = observation[:, None].expand(-1, chunks.shape[1], -1)
        asked = torch.cat([seen, played], dim=-1)
        return torch.stack([critic(asked) for critic in self.critics])

    def follower(self) -> "CriticEnsemble":
        """Return a copy that is not trained."""
        return copy.deepcopy(self).requires_grad_(False)


def pessimistic(values: Tensor, deviations: float) -> Tensor:
    """Return the mean of what critics say, less some standard deviations. (n, ...) to (...)."""
    return values.mean(0) - deviations * values.std(0, correction=0)


def best(values: Tensor, count: int) -> Tensor:
    """Return which chunks are best, the best first. Shape (B, G) to (B, count)."""
    return values.topk(count, dim=1).indices


def pick(chunks: Tensor, which: Tensor) -> Tensor:
    """Return chosen chunks. Shapes (B, G, horizon, nu) and (B, K) to (B, K, horizon, nu)."""
    return chunks[torch.arange(len(chunks))[:, None], which]
