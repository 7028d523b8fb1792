"""Episodes with the labels of their data set applied."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from dbp_ros.data.derived_episodes import DerivedEpisodes
from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.data.hashing import files_sha256
from dbp_ros.data.labels import NO_LABEL, EpisodeLabel, labels_path, read_labels
from dbp_ros.errors import EpisodeError
from dbp_ros.types import NS_PER_S, Array


class LabelledEpisodes(DerivedEpisodes):
    """Set without its discarded episodes, with labelled outcomes, tasks and limits.

    A label of an episode that is not in the set has no effect.
    """

    def __init__(
        self, episodes: EpisodeSet, labels: Mapping[str, EpisodeLabel], labels_sha256: str
    ) -> None:
        """Wrap a set.

        Args:
            episodes: Set as recorded.
            labels: Labels by the name of the episode.
            labels_sha256: Hash of the file of the labels.

        Raises:
            EpisodeError: If every episode is discarded.
        """
        super().__init__(episodes)
        self._labels, self._labels_sha256 = labels, labels_sha256
        self._indices = [
            index
            for index, name in enumerate(episodes.names)
            if not labels.get(name, NO_LABEL).discarded
        ]
        self.names = tuple(episodes.names[index] for index in self._indices)
        if not self.names:
            raise EpisodeError(
                f"{self.origin}: all {len(episodes)} episodes are discarded: restore some with "
                "dbp episodes label --restore"
            )

    def read(self, index: int) -> Episode:
        """Read one episode; see `EpisodeSet.read`.

        Raises:
            EpisodeError: If it is damaged, or its label leaves no step.
        """
        name = self.names[index]
        episode = self._episodes.read(self._indices[index])
        try:
            return apply_label(episode, self._labels.get(name, NO_LABEL))
        except EpisodeError as error:
            raise EpisodeError(f"{name}: {error}") from error

    def sha256(self) -> str:
        """Return the hash of the original set and of the file of the labels."""
        both = f"{self._episodes.sha256()}\n{self._labels_sha256}"
        return hashlib.sha256(both.encode()).hexdigest()


def with_labels(episodes: EpisodeSet, data: Path) -> EpisodeSet:
    """Return a set with the labels of its data set; the set itself if there are none.

    Raises:
        EpisodeError: If the labels cannot be read, or discard every episode.
    """
    labels = read_labels(data)
    if not labels:
        return episodes
    return LabelledEpisodes(episodes, labels, files_sha256([labels_path(data)]))


def apply_label(episode: Episode, label: EpisodeLabel) -> Episode:
    """Return an episode with the outcome, the task and the limits of a label.

    Raises:
        EpisodeError: If the limits leave no step.
    """
    episode = replace(
        episode,
        task=label.task or episode.task,
        outcome=label.outcome or episode.outcome,
        termination_reason=label.outcome or episode.termination_reason,
    )
    if label.start_s is None and label.end_s is None:
        return episode
    return _rows(episode, trimmed_rows(episode, label.start_s, label.end_s))


def elapsed_s(episode: Episode) -> Array:
    """Return the time of each step since the origin of the episode, in [s]. Shape (steps,)."""
    origin_ns = episode.stamps_ns[:1] if episode.origin_ns is None else episode.origin_ns
    seconds: Array = (episode.stamps_ns - origin_ns) / NS_PER_S
    return seconds


def trimmed_rows(episode: Episode, start_s: float | None, end_s: float | None) -> slice:
    """Return the rows from `start_s` to `end_s`, both inclusive.

    Raises:
        EpisodeError: If there are none.
    """
    times_s = elapsed_s(episode)
    low = 0.0 if start_s is None else start_s
    high = np.inf if end_s is None else end_s
    rows = np.flatnonzero((times_s >= low) & (times_s <= high))
    if not len(rows):
        last_s = times_s[-1] if len(times_s) else 0.0
        raise EpisodeError(
            f"no step from {low:g} s to {high:g} s: the episode runs from 0 to {last_s:.3f} s, "
            "correct its start and end with dbp episodes trim"
        )
    return slice(int(rows[0]), int(rows[-1]) + 1)


def _rows(episode: Episode, rows: slice) -> Episode:
    return replace(
        episode,
        states=episode.states[rows],
        actions=episode.actions[rows],
        rewards=episode.rewards[rows],
        stamps_ns=episode.stamps_ns[rows],
        images={camera: images[rows] for camera, images in episode.images.items()},
        points={sensor: cloud[rows] for sensor, cloud in episode.points.items()},
        interventions=episode.interventions_at(rows),
    )
