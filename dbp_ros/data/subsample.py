"""Subsampling of episodes, for a policy with longer control steps than the recording."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dbp_ros.data.derived_episodes import DerivedEpisodes
from dbp_ros.data.episode import Episode, require_steps
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.types import Flags


class SubsampledEpisodes(DerivedEpisodes):
    """Set with `stride` subsampled episodes, one per phase, for each original episode."""

    def __init__(self, episodes: EpisodeSet, stride: int) -> None:
        """Wrap a set.

        Args:
            episodes: Set with all rows.
            stride: Rows per step.
        """
        super().__init__(episodes)
        self._stride = stride
        # Its phases are read one after the other, and an episode may be decoded from videos.
        self._read = lru_cache(maxsize=1)(episodes.read)
        self.names = tuple(
            f"{name}, from row {first}" for name in episodes.names for first in range(stride)
        )

    def read(self, index: int) -> Episode:
        """Read one episode; see `EpisodeSet.read`."""
        number, first = divmod(index, self._stride)
        episode = self._read(number)
        require_steps(self.names[index], episode)
        return subsample(episode, self._stride, first)


def subsample(episode: Episode, stride: int, first: int = 0) -> Episode:
    """Return an episode with steps of `stride` rows from row `first` on.

    The action of a step is that of its last row, which is right for targets but not for deltas, and
    its reward is the sum of its rows. Other values are those of its first row. A step is an
    intervention if any of its rows is. An incomplete step at the end is dropped, unless it is the
    only one: the episodes of a set are not equally long.
    """
    steps = max(1, (len(episode) - first) // stride)
    rows = first + np.arange(steps * stride).reshape(steps, stride)
    recorded = rows < len(episode)
    rows = np.minimum(rows, len(episode) - 1)
    starts, ends = rows[:, 0], rows[:, -1]
    return replace(
        episode,
        step_s=stride * episode.step_s,
        states=episode.states[starts],
        actions=episode.actions[ends],
        rewards=np.where(recorded, episode.rewards[rows], 0.0).sum(axis=1),
        stamps_ns=episode.stamps_ns[starts],
        images={name: images[starts] for name, images in episode.images.items()},
        points={name: clouds[starts] for name, clouds in episode.points.items()},
        interventions=_any_of_each(episode.interventions, rows),
    )


def _any_of_each(flags: Flags | None, rows: NDArray[np.int64]) -> Flags | None:
    if flags is None:
        return None
    found: Flags = np.any(flags[rows], axis=1)
    return found
