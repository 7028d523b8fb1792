"""The part of a policy that turns an observation and a noisy chunk into a chunk.

Every method uses the same heads: a one-step generator gives them noise, a diffusion or flow
baseline a half-finished chunk with its time. What depends on the observation alone is computed
once, by `condition`.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

_FREQUENCIES = 32
_FASTEST = 32.0


class Head(nn.Module, ABC):
    """What every head has.

    Attributes:
        horizon: Points in a chunk.
        actions: Numbers in a point.
        times: How many times are given with a chunk: 0 for one-step methods, 1 for diffusion and
            flows, 2 for mean flows.
    """

    def __init__(self, horizon: int, actions: int, times: int) -> None:
        """Note the sizes."""
        super().__init__()
        self.horizon, self.actions, self.times = horizon, actions, times

    @abstractmethod
    def condition(self, observation: Tensor) -> Tensor:
        """Return what is computed once. Shape (B, observation) to (B, any)."""

    @abstractmethod
    def forward(self, condition: Tensor, value: Tensor, times: Tensor | None = None) -> Tensor:
        """Return a chunk for each chunk given.

        Args:
            condition: From `condition`. Shape (B, any).
            value: Noise, or half-finished normalised actions. Shape (B, G, horizon, actions).
            times: From 0 to 1, where the head takes any. Shape (B, G, times).

        Returns:
            Shape (B, G, horizon, actions).
        """


def wave_features(times: Tensor) -> Tensor:
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
    """From times to a vector that is added to a condition."""

    def __init__(self, times: int, size: int) -> None:
        """Build an encoder of `times` numbers into `size`."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * _FREQUENCIES * times, size), nn.SiLU(), nn.Linear(size, size)
        )

    def forward(self, times: Tensor) -> Tensor:
        """Return shape (..., size) for times of shape (..., times)."""
        seen: Tensor = self.layers(wave_features(times))
        return seen


class ResidualBlock(nn.Module):
    """Add two linear layers to the input, on a normalised copy of it."""

    def __init__(self, width: int, condition: int = 0) -> None:
        """Build a block; `condition` is the size of what scales and shifts it, 0 for none."""
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)
        self.film = nn.Linear(condition, 2 * width) if condition else None

    def forward(self, value: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return `value` plus a correction, scaled and shifted by `condition` where given."""
        inner: Tensor = self.norm(value)
        if self.film is not None and condition is not None:
            gain, shift = self.film(condition).chunk(2, dim=-1)
            inner = inner * (1.0 + gain) + shift
        correction: Tensor = self.outer(functional.silu(self.inner(functional.silu(inner))))
        return value + correction


class ResidualHead(Head):
    """The small head: a wide residual trunk that runs once, and a narrow branch for each chunk.

    The trunk sees the observation alone, so eight samples of one observation cost little more
    than one, in training as in a decision; the branch is scaled and shifted by it (FiLM,
    arXiv 1709.07871).
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
            times: How many times are given with a chunk.
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
        """Return what the trunk makes of an observation. Shape (B, width)."""
        known: Tensor = self.enter(observation)
        for block in self.trunk:
            known = block(known)
        return functional.silu(known)

    def forward(self, condition: Tensor, value: Tensor, times: Tensor | None = None) -> Tensor:
        """Return a chunk for each chunk given; see `Head.forward`.

        Raises:
            ValueError: If the head takes times and is given none.
        """
        if self.clock is not None and times is None:
            raise ValueError(f"expected times of shape (B, G, {self.times}), got none")
        known = condition[:, None]
        hidden: Tensor = self.observed(known) + self.chunk(value.flatten(2))
        if self.clock is not None and times is not None:
            known = known + self.clock(times)
        for block in self.branch:
            hidden = block(hidden, known)
        chunk: Tensor = self.leave(functional.silu(hidden))
        return chunk.reshape(value.shape)
