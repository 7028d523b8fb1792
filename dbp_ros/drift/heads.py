"""Heads: networks from an observation and a noisy chunk to a chunk.

All methods use the same heads. The input is noise for a one-step generator, and a partly denoised
chunk with its time for diffusion and flow. `condition` computes the part that depends on the
observation alone.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

_FREQUENCIES = 32
_FASTEST = 32.0


class Head(nn.Module, ABC):
    """Interface of heads.

    Attributes:
        horizon: Points in a chunk.
        actions: Numbers in a point.
        times: Number of times with a chunk: 0 for one-step methods, 1 for diffusion and flows, 2
            for mean flows.
    """

    def __init__(self, horizon: int, actions: int, times: int) -> None:
        """Store the sizes."""
        super().__init__()
        self.horizon, self.actions, self.times = horizon, actions, times

    @abstractmethod
    def condition(self, observation: Tensor) -> Tensor:
        """Return the embedding of the observation. Shape (B, observation) to (B, any)."""

    @abstractmethod
    def forward(self, condition: Tensor, value: Tensor, times: Tensor | None = None) -> Tensor:
        """Return a chunk for each input chunk.

        Args:
            condition: From `condition`. Shape (B, any).
            value: Noise, or partly denoised normalised actions. Shape (B, G, horizon, actions).
            times: In [0, 1], if the head takes any. Shape (B, G, times).

        Returns:
            Shape (B, G, horizon, actions).
        """


def sinusoidal_features(times: Tensor) -> Tensor:
    """Return sines and cosines of times at frequencies from 1 to 32, in radians.

    Args:
        times: Shape (..., times).

    Returns:
        Shape (..., 64 times).
    """
    steps = torch.linspace(0.0, 1.0, _FREQUENCIES, dtype=times.dtype, device=times.device)
    angles = times.unsqueeze(-1) * torch.exp(math.log(_FASTEST) * steps)
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(-2)


class TimeEncoder(nn.Module):
    """Embedding of times that is added to a condition."""

    def __init__(self, times: int, size: int) -> None:
        """Build an encoder of `times` numbers into `size`."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * _FREQUENCIES * times, size), nn.SiLU(), nn.Linear(size, size)
        )

    def forward(self, times: Tensor) -> Tensor:
        """Return shape (..., size) for times of shape (..., times)."""
        embedding: Tensor = self.layers(sinusoidal_features(times))
        return embedding


class ResidualBlock(nn.Module):
    """Residual block of two linear layers with a layer normalisation."""

    def __init__(self, width: int, condition: int = 0) -> None:
        """Build a block; `condition` is the size of the FiLM condition, 0 for none."""
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)
        self.film = nn.Linear(condition, 2 * width) if condition else None

    def forward(self, value: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return `value` plus a residual, modulated by `condition`."""
        inner: Tensor = self.norm(value)
        if self.film is not None and condition is not None:
            gain, shift = self.film(condition).chunk(2, dim=-1)
            inner = inner * (1.0 + gain) + shift
        residual: Tensor = self.outer(functional.silu(self.inner(functional.silu(inner))))
        return value + residual


class ResidualHead(Head):
    """Small head: a wide residual trunk that runs once, and a narrow branch for each chunk.

    The trunk depends on the observation alone, so eight samples cost little more than one. It
    modulates the branch (FiLM, arXiv 1709.07871).
    """

    def __init__(
        self,
        observation: int,
        horizon: int,
        actions: int,
        *,
        times: int = 0,
        width: int = 512,
        branch_width: int = 256,
        depth: int = 2,
    ) -> None:
        """Build a head.

        Args:
            observation: Size of an observation.
            horizon: Points in a chunk.
            actions: Numbers in a point.
            times: Number of times with a chunk.
            width: Width of the trunk.
            branch_width: Width of the branch.
            depth: Residual blocks in each.
        """
        super().__init__(horizon, actions, times)
        self.enter = nn.Linear(observation, width)
        self.trunk = nn.ModuleList(ResidualBlock(width) for _ in range(depth))
        self.observed = nn.Linear(width, branch_width)
        self.chunk = nn.Linear(horizon * actions, branch_width)
        self.clock = TimeEncoder(times, width) if times else None
        self.branch = nn.ModuleList(ResidualBlock(branch_width, width) for _ in range(depth))
        self.leave = nn.Linear(branch_width, horizon * actions)

    def condition(self, observation: Tensor) -> Tensor:
        """Return the output of the trunk. Shape (B, width)."""
        hidden: Tensor = self.enter(observation)
        for block in self.trunk:
            hidden = block(hidden)
        return functional.silu(hidden)

    def forward(self, condition: Tensor, value: Tensor, times: Tensor | None = None) -> Tensor:
        """Return a chunk for each input chunk; see `Head.forward`.

        Raises:
            ValueError: If the head takes times and there are none.
        """
        if self.clock is not None and times is None:
            raise ValueError(f"expected times of shape (B, G, {self.times}), got none")
        film = condition[:, None]
        hidden: Tensor = self.observed(film) + self.chunk(value.flatten(2))
        if self.clock is not None and times is not None:
            film = film + self.clock(times)
        for block in self.branch:
            hidden = block(hidden, film)
        chunk: Tensor = self.leave(functional.silu(hidden))
        return chunk.reshape(value.shape)
