"""Checks and concatenation of the arrays of `Demonstrations.from_arrays`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dbp_ros.errors import TrainingError
from dbp_ros.types import Floats, Image

Rows = NDArray[np.int64]
Array = NDArray[Any]
Nested = ArrayLike | Sequence[ArrayLike]


@dataclass(frozen=True)
class EpisodeArrays:
    """Concatenated episodes.

    Attributes:
        states: Shape (steps, ns).
        actions: Shape (steps, nu).
        images: rgb8 of each camera. Shapes (steps, height, width, 3).
        lengths: Steps of each episode.
    """

    states: Floats
    actions: Floats
    images: dict[str, Image]
    lengths: tuple[int, ...]


def episode_rows(lengths: Sequence[int]) -> tuple[Rows, Rows, Rows]:
    """Return the first row, last row and number of each row's episode. Shapes (steps,)."""
    counts = np.array(lengths, np.int64)
    ends: Rows = np.cumsum(counts)
    numbers: Rows = np.repeat(np.arange(len(ends)), counts)
    return (ends - counts)[numbers], (ends - 1)[numbers], numbers


def column_names(names: Sequence[str], stem: str, count: int) -> tuple[str, ...]:
    """Return the names, or `stem.0` and so on if empty.

    Raises:
        TrainingError: If they are not unique, or their number is not that of the columns.
    """
    names = tuple(names) or tuple(f"{stem}.{index}" for index in range(count))
    if len(names) != count or len(set(names)) != count:
        raise TrainingError(
            f"{stem}_names: expected {count} unique names, one for each column, got "
            f"{', '.join(names)}"
        )
    return names


def concatenate(
    states: Nested,
    actions: Nested,
    images: Mapping[str, Nested],
    episode_ends: Sequence[int] | None,
) -> EpisodeArrays:
    """Check and concatenate arrays; see `Demonstrations.from_arrays`.

    Raises:
        TrainingError: If they do not match, or a number is not finite.
    """
    state_episodes = _episodes("states", states, 2, episode_ends)
    lengths = tuple(len(episode) for episode in state_episodes)
    if not lengths or not all(lengths):
        raise TrainingError(f"states: expected at least one step in each episode, got {lengths}")
    action_episodes = _episodes("actions", actions, 2, episode_ends)
    frames = {name: _episodes(name, stack, 4, episode_ends) for name, stack in images.items()}
    for name, episodes in {"actions": action_episodes, **frames}.items():
        found = tuple(len(episode) for episode in episodes)
        if found != lengths:
            raise TrainingError(
                f"{name}: expected {len(lengths)} episodes of {_short(lengths)} steps like "
                f"states, got {len(found)} of {_short(found)}"
            )
    stacks = {name: _concatenated(name, episodes) for name, episodes in frames.items()}
    for name, stack in stacks.items():
        if stack.dtype != np.uint8 or stack.shape[3] != 3:
            raise TrainingError(
                f"{name}: expected rgb8 of shape (steps, height, width, 3), uint8, got shape "
                f"{stack.shape}, {stack.dtype}"
            )
    return EpisodeArrays(
        _finite("states", state_episodes), _finite("actions", action_episodes), stacks, lengths
    )


def _episodes(
    name: str, given: Nested, axes: int, episode_ends: Sequence[int] | None
) -> list[Array]:
    """Return one array of `axes` axes for each episode."""
    whole = None if isinstance(given, list | tuple) else np.asarray(given)
    if whole is not None and whole.ndim == axes:
        return _split(name, whole, episode_ends)
    episodes = [np.asarray(episode) for episode in (given if whole is None else whole)]  # type: ignore[union-attr]
    if episode_ends is not None or any(episode.ndim != axes for episode in episodes):
        shapes = {episode.shape for episode in episodes}
        raise TrainingError(
            f"{name}: expected a list of arrays of {axes} axes, one for each episode, or one array "
            f"of {axes + 1} axes, or one of {axes} axes with episode_ends; got {len(episodes)} of "
            f"shapes {', '.join(map(str, sorted(shapes)[:3]))}"
        )
    return episodes


def _split(name: str, whole: Array, episode_ends: Sequence[int] | None) -> list[Array]:
    ends = [len(whole)] if episode_ends is None else [int(end) for end in episode_ends]
    if not ends or ends[-1] != len(whole) or np.any(np.diff([0, *ends]) <= 0):
        raise TrainingError(
            f"episode_ends: expected increasing rows that end at {len(whole)} for {name}, got "
            f"{_short(ends)}"
        )
    return np.split(whole, ends[:-1])


def _concatenated(name: str, episodes: Sequence[Array]) -> Array:
    shapes = sorted({episode.shape[1:] for episode in episodes})
    if len(shapes) > 1:
        raise TrainingError(f"{name}: episodes differ in shape after the steps: {shapes}")
    return np.concatenate(episodes)


def _finite(name: str, episodes: Sequence[Array]) -> Floats:
    values = _concatenated(name, episodes).astype(np.float32)
    invalid = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(invalid):
        raise TrainingError(f"{name}: {len(invalid)} rows are not finite, first {invalid[0]}")
    return values


def _short(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:4]))
    return f"{shown}, …" if len(numbers) > 4 else shown
