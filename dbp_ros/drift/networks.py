"""One-step generators and camera encoders that are small enough for one CPU core."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

START_SPREAD = 0.5


class KeypointEncoder(nn.Module):
    """Turn one picture into a few points of interest and a summary of its channels.

    Four convolutions, a quarter of the resolution, then a softmax over places: each channel
    answers with the mean coordinates of what it looks for, as real numbers between pixels.
    """

    def __init__(self, widths: tuple[int, int, int, int], keypoints: int) -> None:
        """Build an encoder; each of `widths` is a multiple of 8."""
        super().__init__()
        first, second, third, fourth = widths
        self.layers = nn.Sequential(
            nn.Conv2d(3, first, 5, stride=2, padding=2),
            nn.GroupNorm(first // 8, first),
            nn.SiLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.GroupNorm(second // 8, second),
            nn.SiLU(),
            nn.Conv2d(second, third, 3, padding=1),
            nn.GroupNorm(third // 8, third),
            nn.SiLU(),
            nn.Conv2d(third, fourth, 3, padding=1),
            nn.GroupNorm(fourth // 8, fourth),
            nn.SiLU(),
        )
        self.maps = nn.Conv2d(fourth, keypoints, 1)
        self.feature_size = 2 * keypoints + fourth

    def forward(self, image: Tensor) -> Tensor:
        """Return the features of pictures.

        Args:
            image: Pixels between 0 and 255. Shape (B, 3, height, width).

        Returns:
            Keypoint coordinates in [-1, 1], then channel means. Shape (B, feature_size).
        """
        seen = self.layers((image - 127.5) / 64.0)
        return torch.cat([spatial_softmax(self.maps(seen)), seen.mean((2, 3))], dim=1)


def spatial_softmax(maps: Tensor) -> Tensor:
    """Return the mean coordinates of each map's softmax: all columns, then all rows.

    Args:
        maps: Shape (B, K, height, width).

    Returns:
        Coordinates in [-1, 1], -1 at the first pixel's centre. Shape (B, 2 K).
    """
    mass = maps.float().flatten(2).softmax(-1).reshape(maps.shape)
    across = torch.linspace(-1.0, 1.0, maps.shape[3], device=maps.device)
    down = torch.linspace(-1.0, 1.0, maps.shape[2], device=maps.device)
    return torch.cat([(mass.sum(2) * across).sum(-1), (mass.sum(3) * down).sum(-1)], dim=1)


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


def slow_waves(horizon: int, count: int) -> Tensor:
    """Return the slowest cosine waves over a chunk: orthonormal rows, shape (count, horizon).

    White noise seen through them stays white, so a latent of full shape can be reduced to
    `count` numbers a joint; the chunk that it makes is smooth from the first update on.
    """
    steps = (torch.arange(horizon, dtype=torch.float64) + 0.5) * math.pi / horizon
    waves = torch.cos(torch.arange(count, dtype=torch.float64)[:, None] * steps)
    unit: Tensor = waves / torch.linalg.vector_norm(waves, dim=1, keepdim=True)
    return unit.float()


class Generator(nn.Module):
    """Turn an observation and a latent into a chunk of normalised actions in one pass.

    `x = start z + net(o, z)`: the samples of an observation are spread over half of the action
    range before the first update. A generator that starts narrow never feels the demonstrations
    of a far mode and collapses (see `fields.drifting`). What is known from the observation is
    computed once; only the narrow second half runs for each latent.
    """

    waves: Tensor

    def __init__(
        self,
        observation: int,
        horizon: int,
        joints: int,
        *,
        width: int = 512,
        latent_width: int = 256,
        depth: int = 2,
        latent_waves: int = 1,
    ) -> None:
        """Build a generator.

        Args:
            observation: Size of an observation.
            horizon: Points in a chunk.
            joints: Numbers in a point.
            width: Width of the half that runs once.
            latent_width: Width of the half that runs for each latent.
            depth: Residual blocks in each half.
            latent_waves: How many slow waves of the latent are used; `horizon` for all of it.
        """
        super().__init__()
        self.horizon, self.joints = horizon, joints
        self.widening = math.sqrt(horizon / latent_waves)
        self.register_buffer("waves", slow_waves(horizon, latent_waves))
        self.enter = nn.Linear(observation, width)
        self.trunk = nn.ModuleList(ResidualBlock(width) for _ in range(depth))
        self.latent = nn.Linear(latent_waves * joints, latent_width)
        self.observed = nn.Linear(width, latent_width)
        self.branch = nn.ModuleList(ResidualBlock(latent_width, width) for _ in range(depth))
        self.leave = nn.Linear(latent_width, horizon * joints)
        self.start = nn.Parameter(torch.full((latent_waves, joints), START_SPREAD))

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Return one chunk for each latent.

        Args:
            observation: Shape (B, observation).
            latent: Standard normal. Shape (B, G, horizon, joints).

        Returns:
            Normalised actions, not clipped. Shape (B, G, horizon, joints).
        """
        known = self.enter(observation)
        for block in self.trunk:
            known = block(known)
        known = functional.silu(known)[:, None]
        slow = self.waves @ latent
        value = self.observed(known) + self.latent(slow.flatten(2))
        for block in self.branch:
            value = block(value, known)
        chunk: Tensor = self.leave(functional.silu(value)).reshape(latent.shape)
        spread = self.widening * (self.waves.transpose(0, 1) @ (self.start * slow))
        return spread + chunk
