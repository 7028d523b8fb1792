"""The conditional U-Net of Diffusion Policy as a head, with configurable widths."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from dbp_ros.drift.heads import Head, TimeEncoder
from dbp_ros.errors import ConfigError

_TIME_SIZE = 256


class FilmBlock(nn.Module):
    """Residual block of two convolutions along a chunk with FiLM modulation between them.

    As published, the scale is applied directly, without the usual `1 +`.
    """

    def __init__(self, before: int, after: int, kernel: int, groups: int) -> None:
        """Build a block from `before` to `after` channels."""
        super().__init__()
        self.first = _convolution(before, after, kernel, groups)
        self.second = _convolution(after, after, kernel, groups)
        self.shortcut = nn.Conv1d(before, after, 1) if before != after else nn.Identity()

    def forward(self, hidden: Tensor, film: Tensor) -> Tensor:
        """Return the output of the block.

        Args:
            hidden: Shape (N, before, points).
            film: Scales, then shifts. Shape (N, 2 after).

        Returns:
            Shape (N, after, points).
        """
        scale, shift = film.unsqueeze(-1).chunk(2, dim=1)
        inner = scale * self.first(hidden) + shift
        result: Tensor = self.second(inner) + self.shortcut(hidden)
        return result


class Stage(nn.Module):
    """Two blocks at one resolution."""

    def __init__(self, before: int, after: int, kernel: int, groups: int) -> None:
        """Build a stage from `before` to `after` channels, with `film_size` FiLM parameters."""
        super().__init__()
        self.film_size = 4 * after
        self.enter = FilmBlock(before, after, kernel, groups)
        self.stay = FilmBlock(after, after, kernel, groups)

    def forward(self, hidden: Tensor, film: Tensor) -> Tensor:
        """Return shape (N, after, points); `film` has shape (N, film_size)."""
        first, second = film.chunk(2, dim=1)
        result: Tensor = self.stay(self.enter(hidden, first), second)
        return result


class UNetHead(Head):
    """The conditional U-Net of Diffusion Policy (arXiv 2303.04137), as DBP uses it.

    One-step heads have no time input (arXiv 2604.03540), multi-step baselines have one. Each
    FiLM parameter is the sum of a term of the observation and a term of the times, so the terms
    of the observation are computed once.

    As published, the output at full resolution is not used as a skip connection.
    """

    def __init__(
        self,
        observation: int,
        horizon: int,
        actions: int,
        *,
        times: int = 0,
        widths: tuple[int, ...] = (512, 1024, 2048),
        groups: int = 8,
        kernel: int = 5,
    ) -> None:
        """Build a head.

        Args:
            observation: Size of an observation.
            horizon: Points in a chunk, any number from 1.
            actions: Numbers in a point.
            times: Number of times with a chunk.
            widths: Channels at each resolution, the highest first; each further level halves the
                number of points.
            groups: Groups of every group normalisation.
            kernel: Kernel size of the convolutions, odd.

        Raises:
            ConfigError: If a convolution cannot be built with these widths, groups and kernel.
        """
        _check_sizes(widths, groups, kernel)
        super().__init__(horizon, actions, times)
        self.padding = -horizon % 2 ** (len(widths) - 1)
        levels, coarser = list(pairwise((actions, *widths))), widths[:-1]
        self.down = nn.ModuleList(Stage(*level, kernel, groups) for level in levels)
        self.middle = Stage(widths[-1], widths[-1], kernel, groups)
        self.up = nn.ModuleList(
            Stage(2 * after, before, kernel, groups) for before, after in reversed(levels[1:])
        )
        self.shrink = nn.ModuleList(nn.Conv1d(n, n, 3, stride=2, padding=1) for n in coarser)
        self.stretch = nn.ModuleList(
            nn.ConvTranspose1d(n, n, 4, stride=2, padding=1) for n in reversed(coarser)
        )
        self.smooth = _convolution(widths[0], widths[0], kernel, groups)
        self.leave = nn.Conv1d(widths[0], actions, 1)
        self.film_sizes = [m.film_size for m in self.modules() if isinstance(m, Stage)]
        self.observed = nn.Linear(observation, sum(self.film_sizes))
        self.clock = TimeEncoder(times, _TIME_SIZE) if times else None
        self.timed = nn.Linear(_TIME_SIZE, sum(self.film_sizes), bias=False) if times else None

    def condition(self, observation: Tensor) -> Tensor:
        """Return the FiLM terms of the observation. Shape (B, films)."""
        film: Tensor = self.observed(functional.mish(observation))
        return film

    def forward(self, condition: Tensor, value: Tensor, times: Tensor | None = None) -> Tensor:
        """Return a chunk for each input chunk; see `Head.forward`.

        Raises:
            ValueError: If the head takes times and there are none.
        """
        film = self._film(condition, times).expand(-1, value.shape[1], -1).flatten(0, 1)
        films = iter(torch.split(film, self.film_sizes, dim=1))
        points = value.flatten(0, 1).transpose(1, 2)
        if self.padding:
            points = functional.pad(points, (0, self.padding), mode="replicate")
        chunk: Tensor = self.leave(self.smooth(self._run_levels(points, films)))
        return chunk[..., : self.horizon].transpose(1, 2).reshape(value.shape)

    def _film(self, condition: Tensor, times: Tensor | None) -> Tensor:
        """Return all FiLM parameters. Shape (B, G, films), or (B, 1, films) without times."""
        film = condition.unsqueeze(1)
        if self.clock is None or self.timed is None:
            return film
        if times is None:
            raise ValueError(f"expected times of shape (B, G, {self.times}), got none")
        term: Tensor = self.timed(functional.mish(self.clock(times)))
        return film + term

    def _run_levels(self, hidden: Tensor, films: Iterator[Tensor]) -> Tensor:
        """Return the features at full resolution. Shape (N, widths[0], points)."""
        skips = []
        for level, stage in enumerate(self.down):
            hidden = stage(self.shrink[level - 1](hidden) if level else hidden, next(films))
            skips.append(hidden)
        hidden = self.middle(hidden, next(films))
        for stage, stretch in zip(self.up, self.stretch, strict=True):
            hidden = stretch(stage(torch.cat([hidden, skips.pop()], dim=1), next(films)))
        return hidden


def _convolution(before: int, after: int, kernel: int, groups: int) -> nn.Sequential:
    """Return a convolution that preserves the number of points, with normalisation and Mish."""
    return nn.Sequential(
        nn.Conv1d(before, after, kernel, padding=kernel // 2),
        nn.GroupNorm(groups, after),
        nn.Mish(),
    )


def _check_sizes(widths: tuple[int, ...], groups: int, kernel: int) -> None:
    """Raise ConfigError unless convolutions and normalisations can be built."""
    if kernel % 2 == 0:
        raise ConfigError(f"kernel is {kernel}, expected an odd number")
    # The normalisation of a single value is always zero.
    if not widths or any(width % groups or width == groups for width in widths):
        raise ConfigError(
            f"widths are {widths}, expected multiples of groups={groups}, at least {2 * groups}"
        )
