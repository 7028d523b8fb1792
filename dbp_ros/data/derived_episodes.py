"""Sets of episodes that are computed from those of another set."""

from collections.abc import Mapping

from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import EpisodeSet, RowShape


class DerivedEpisodes:
    """Set with the origin, names, unread keys and hash of another one.

    A subclass defines `read`, and what else differs.
    """

    names: tuple[str, ...]

    def __init__(self, episodes: EpisodeSet) -> None:
        """Wrap a set.

        Args:
            episodes: Original set.
        """
        self._episodes = episodes
        self.origin, self.names = episodes.origin, episodes.names

    @property
    def unused(self) -> Mapping[str, RowShape]:
        """Keys of the original set that are not read."""
        return self._episodes.unused

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> Episode:
        """Read one episode; see `EpisodeSet.read`."""
        return self._episodes.read(index)

    def sha256(self) -> str:
        """Return the hash of the original set."""
        return self._episodes.sha256()
