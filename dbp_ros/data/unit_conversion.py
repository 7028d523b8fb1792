"""Conversion of a data set's columns to [rad] and [m]."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import EpisodeSet, RowShape
from dbp_ros.data.units import ColumnUnits
from dbp_ros.types import Floats


class ConvertedEpisodes:
    """Set of episodes whose joints are converted from the chosen units."""

    def __init__(self, episodes: EpisodeSet, units: ColumnUnits) -> None:
        """Wrap a set.

        Args:
            episodes: Set in the units of the data.
            units: Chosen units.
        """
        self._episodes, self._units = episodes, units
        self.origin, self.names = episodes.origin, episodes.names

    @property
    def unused(self) -> Mapping[str, RowShape]:
        """Keys of the original set that are not read."""
        return self._episodes.unused

    def __len__(self) -> int:
        return len(self._episodes)

    def read(self, index: int) -> Episode:
        """Read one episode; see `EpisodeSet.read`."""
        episode = self._episodes.read(index)
        return replace(
            episode,
            states=self._converted(episode.states, episode.state_names),
            actions=self._converted(episode.actions, episode.action_names),
        )

    def _converted(self, values: Floats, names: Sequence[str]) -> Floats:
        factors = np.array([self._units.factor(name) for name in names])
        converted: Floats = (values * factors).astype(np.float32)
        return converted

    def sha256(self) -> str:
        """Return the hash of the original set."""
        return self._episodes.sha256()
