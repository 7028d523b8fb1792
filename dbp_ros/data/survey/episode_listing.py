"""Properties of the episodes of a data set, for a table."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.data.formats import open_recordings
from dbp_ros.data.labelled_episodes import apply_label
from dbp_ros.data.labels import NO_LABEL, EpisodeLabel, read_labels, unused_labels
from dbp_ros.data.pose_actions import KinematicsOf
from dbp_ros.data.selection import DEFAULT_SELECTION, Selection
from dbp_ros.errors import EpisodeError


@dataclass(frozen=True)
class EpisodeEntry:
    """One episode as training reads it.

    Attributes:
        episode: Name of the episode.
        task: Name of the task.
        outcome: `success` or `failure`; empty if the episode cannot be read.
        termination_reason: Why it ended.
        duration_s: Steps times the time between two of them.
        steps: Number of steps.
        rate_hz: Steps per second.
        mode: Strategy of the demonstrator; empty if unknown.
        intervention_steps: Steps that a human drove; None for a demonstration.
        cameras: Height and width of the images by camera; None if they were not read.
        size_bytes: Size of its own file; None if a file holds several episodes.
        discarded: Whether its label leaves it out.
        trimmed: Whether its label cuts it.
        error: Why it cannot be read; empty if it can.
    """

    episode: str
    task: str = ""
    outcome: str = ""
    termination_reason: str = ""
    duration_s: float = 0.0
    steps: int = 0
    rate_hz: float = 0.0
    mode: str = ""
    intervention_steps: int | None = None
    cameras: dict[str, tuple[int, int]] | None = None
    size_bytes: int | None = None
    discarded: bool = False
    trimmed: bool = False
    error: str = ""


@dataclass(frozen=True)
class EpisodeListing:
    """The episodes of a data set, discarded ones included.

    Attributes:
        path: Path of the set.
        cameras: Height and width of the images of the first readable episode, by camera.
        size_bytes: Size of all files of the set.
        unused_labels: Labels of episodes that do not exist.
        episodes: One entry for each episode.
    """

    path: str
    cameras: dict[str, tuple[int, int]]
    size_bytes: int
    unused_labels: tuple[str, ...]
    episodes: tuple[EpisodeEntry, ...]


def list_episodes(
    path: Path,
    images: bool = False,
    on_listed: Callable[[int], None] = lambda total: None,
    selection: Selection = DEFAULT_SELECTION,
    kinematics: KinematicsOf | None = None,
) -> EpisodeListing:
    """Read the properties of every episode.

    Args:
        path: Data set.
        images: Whether to read the images of every episode, which can take long. Without them the
            cameras are those of the first episode.
        on_listed: Called with the number of episodes after each of them.
        selection: Names and units.
        kinematics: See `open_episodes`.

    Raises:
        EpisodeError: If the set cannot be opened.
    """
    everything, labels = open_recordings(path, selection, kinematics), read_labels(path)
    numbers = replace(selection, images=(), points=())
    episodes = everything if images else open_recordings(path, numbers, kinematics)
    entries = []
    for index, name in enumerate(episodes.names):
        entry = EpisodeEntry(name, size_bytes=_file_size(path, name))
        label = labels.get(name, NO_LABEL)
        try:
            entries.append(_described(entry, episodes.read(index), label, images))
        except EpisodeError as error:
            entries.append(replace(entry, discarded=label.discarded, error=str(error)))
        on_listed(len(episodes))
    readable = [index for index, entry in enumerate(entries) if not entry.error]
    return EpisodeListing(
        path=str(path),
        cameras=_cameras_of_first(everything, readable),
        size_bytes=_total_size(path),
        unused_labels=unused_labels(labels, episodes.names),
        episodes=tuple(entries),
    )


def _cameras_of_first(episodes: EpisodeSet, readable: Sequence[int]) -> dict[str, tuple[int, int]]:
    """Return the cameras of the first episode whose images can be read; none without one."""
    for index in readable:
        with suppress(EpisodeError):
            return _cameras(episodes.read(index))
    return {}


def _described(
    entry: EpisodeEntry, recorded: Episode, label: EpisodeLabel, images: bool
) -> EpisodeEntry:
    episode = apply_label(recorded, label)
    return replace(
        entry,
        task=episode.task,
        outcome=episode.outcome,
        termination_reason=episode.termination_reason,
        duration_s=len(episode) * episode.step_s,
        steps=len(episode),
        rate_hz=1 / episode.step_s,
        mode=episode.mode,
        intervention_steps=episode.intervention_steps,
        cameras=_cameras(episode) if images else None,
        discarded=label.discarded,
        trimmed=len(episode) < len(recorded),
    )


def _cameras(episode: Episode) -> dict[str, tuple[int, int]]:
    return {camera: (images.shape[1], images.shape[2]) for camera, images in episode.images.items()}


def _file_size(path: Path, name: str) -> int | None:
    file = path / name
    return file.stat().st_size if path.is_dir() and file.is_file() else None


def _total_size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
