"""Subsampling of episodes, for a policy with longer control steps than the recording."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from dbp_ros.data.derived_episodes import DerivedEpisodes
from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.errors import EpisodeError
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
        return subsample(self._read(number), self._stride, first)


def subsample(episode: Episode, stride: int, first: int = 0) -> Episode:
    """Return an episode with steps of `stride` rows from row `first` on.

    Actions and rewards are those of the last row of each step, other values those of the first. A
    step is an intervention if any of its rows is. An incomplete step at the end is dropped.

    Raises:
        EpisodeError: If there is no complete step.
    """
    steps = (len(episode) - first) // stride
    if steps < 1:
        raise EpisodeError(
            f"{len(episode)} rows from row {first} on are less than a step of {stride} rows: use a "
            "smaller stride"
        )
    rows = slice(first, first + stride * steps)
    starts = slice(first, first + stride * steps, stride)
    ends = slice(first + stride - 1, first + stride * steps, stride)
    return replace(
        episode,
        step_s=stride * episode.step_s,
        states=episode.states[starts],
        actions=episode.actions[ends],
        rewards=episode.rewards[ends],
        stamps_ns=episode.stamps_ns[starts],
        images={name: images[starts] for name, images in episode.images.items()},
        points={name: clouds[starts] for name, clouds in episode.points.items()},
        interventions=_any_of_each(episode.interventions_at(rows), stride),
    )


def _any_of_each(flags: Flags | None, stride: int) -> Flags | None:
    if flags is None:
        return None
    found: Flags = np.any(flags.reshape(-1, stride), axis=1)
    return found
