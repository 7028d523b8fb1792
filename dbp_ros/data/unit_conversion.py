"""Conversion of a data set's columns to [rad] and [m]."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dbp_ros.data.derived_episodes import DerivedEpisodes
from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.data.units import ColumnUnits
from dbp_ros.types import Floats


class ConvertedEpisodes(DerivedEpisodes):
    """Set of episodes whose joints are converted from the chosen units."""

    def __init__(self, episodes: EpisodeSet, units: ColumnUnits) -> None:
        """Wrap a set.

        Args:
            episodes: Set in the units of the data.
            units: Chosen units.
        """
        super().__init__(episodes)
        self._units = units

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
