"""A data set of episodes in memory, and how observations and chunks are drawn from it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dbp_ros.contract import Floats, Image
from dbp_ros.episodes.episode import Episode, episode_paths, read_episode
from dbp_ros.errors import EpisodeError, TrainingError

STILL_BELOW = 1e-4


@dataclass(frozen=True)
class Batch:
    """Observations with the chunk that followed.

    Attributes:
        positions: Oldest first, in [rad] and [m]. Shape (B, history, nu).
        images: Pictures of each camera, uint8. Shapes (B, history, height, width, 3).
        actions: Absolute. Shape (B, horizon, nu).
    """

    positions: Tensor
    images: dict[str, Tensor]
    actions: Tensor


@dataclass(frozen=True)
class Demonstrations:
    """All episodes end to end.

    Attributes:
        joints: Names of the columns.
        step_s: Time between two rows, in [s].
        positions: Shape (steps, nu).
        actions: Shape (steps, nu).
        images: Pictures of each camera. Shapes (steps, height, width, 3).
        first: Row at which each row's episode begins. Shape (steps,).
        last: Row at which it ends. Shape (steps,).
        episode: Number of each row's episode. Shape (steps,).
    """

    joints: tuple[str, ...]
    step_s: float
    positions: Floats
    actions: Floats
    images: dict[str, Image]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    episode: NDArray[np.int64]

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return int(self.episode[-1]) + 1

    def chunks(self, rows: NDArray[np.int64], horizon: int) -> Floats:
        """Return the actions from each row on; an episode's last action is held."""
        ahead = np.minimum(rows[:, None] + np.arange(horizon), self.last[rows][:, None])
        chunks: Floats = self.actions[ahead]
        return chunks

    def batch(
        self,
        rows: NDArray[np.int64],
        horizon: int,
        history: int = 1,
        late: dict[str, NDArray[np.int64]] | None = None,
    ) -> Batch:
        """Gather observations and chunks.

        Args:
            rows: Newest row of each observation. Shape (B,).
            horizon: Points in a chunk.
            history: Rows in an observation; an episode's first row is repeated before it.
            late: By how many rows each camera lags. Shapes (B,). None where no camera does.
        """
        past = rows[:, None] - np.arange(history)[::-1]
        first = self.first[rows][:, None]
        images = {}
        for camera, pictures in self.images.items():
            lag = 0 if late is None else late[camera][:, None]
            images[camera] = torch.from_numpy(pictures[np.maximum(past - lag, first)])
        return Batch(
            positions=torch.from_numpy(self.positions[np.maximum(past, first)]),
            images=images,
            actions=torch.from_numpy(self.chunks(rows, horizon)),
        )

    def still_joints(self) -> tuple[str, ...]:
        """Return the joints that are never commanded to move, for a warning."""
        moved = np.ptp(self.actions, axis=0) > STILL_BELOW
        return tuple(name for name, moves in zip(self.joints, moved, strict=True) if not moves)


def load_demonstrations(directory: Path) -> Demonstrations:
    """Read a whole data set into memory.

    Raises:
        TrainingError: If it is empty, or an episode is damaged or unlike the first.
    """
    try:
        paths = episode_paths(directory)
    except EpisodeError as error:
        raise TrainingError(str(error)) from error
    return join_episodes((_read(path), path.name) for path in paths)


def _read(path: Path) -> Episode:
    try:
        return read_episode(path)
    except EpisodeError as error:
        raise TrainingError(str(error)) from error


def join_episodes(episodes: Iterable[tuple[Episode, str]]) -> Demonstrations:
    """Lay episodes end to end.

    Args:
        episodes: Each with the name to call it in an error.

    Raises:
        TrainingError: If there are none, or one is empty or unlike the first.
    """
    kept: list[Episode] = []
    pictures: dict[str, list[Image]] = {}
    for episode, name in episodes:
        if len(episode) == 0:
            raise TrainingError(f"{name} has no steps: delete it or record it again")
        if kept:
            _refuse_difference(kept[0], episode, name)
        for camera, images in episode.images.items():
            pictures.setdefault(camera, []).append(images)
        kept.append(episode)
    if not kept:
        raise TrainingError("expected at least one episode, got none: record some first")
    lengths = np.array([len(episode) for episode in kept])
    ends = np.cumsum(lengths)
    numbers = np.repeat(np.arange(len(kept)), lengths)
    return Demonstrations(
        joints=kept[0].joint_names,
        step_s=kept[0].step_s,
        positions=np.concatenate([e.positions for e in kept]).astype(np.float32),
        actions=np.concatenate([e.actions for e in kept]).astype(np.float32),
        images=_concatenate(pictures, kept),
        first=(ends - lengths)[numbers],
        last=(ends - 1)[numbers],
        episode=numbers,
    )


def _concatenate(pictures: dict[str, list[Image]], episodes: list[Episode]) -> dict[str, Image]:
    """Return each camera's pictures in one array, freeing the parts camera by camera."""
    joined = {}
    for camera in list(pictures):
        joined[camera] = np.concatenate(pictures.pop(camera))
        for episode in episodes:
            episode.images.pop(camera)
    return joined


def _refuse_difference(first: Episode, other: Episode, name: str) -> None:
    cameras = {camera: images.shape[1:] for camera, images in first.images.items()}
    found = {camera: images.shape[1:] for camera, images in other.images.items()}
    for what, expected, got in (
        ("joints", first.joint_names, other.joint_names),
        ("step_s", first.step_s, other.step_s),
        ("cameras", cameras, found),
    ):
        if expected != got:
            raise TrainingError(
                f"{name}: expected {what} {expected} as in the first episode, got {got}: "
                "keep unlike episodes in folders of their own"
            )


def split_by_episode(
    demonstrations: Demonstrations, fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return training rows and validation rows; no episode is in both.

    Raises:
        TrainingError: If nothing is left to train on.
    """
    count = demonstrations.episodes
    kept = round(count * fraction) if count > 1 else 0
    kept = max(kept, 1) if fraction > 0 and count > 1 else kept
    if kept >= count:
        raise TrainingError(f"{count} episodes leave none to train on at fraction {fraction}")
    order = np.random.default_rng(seed).permutation(count)
    held_out = np.isin(demonstrations.episode, order[:kept])
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def dataset_sha256(directory: Path) -> str:
    """Return the sha256 over the sorted sha256 of a data set's files."""
    hashes = sorted(
        hashlib.sha256(path.read_bytes()).hexdigest() for path in episode_paths(directory)
    )
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()
