"""Interface of a set of episodes."""

from typing import Protocol

from dbp_ros.data.episode import Episode


class EpisodeSet(Protocol):
    """Episodes in a fixed order, read one at a time."""

    @property
    def origin(self) -> str:
        """Path of the set, for error messages."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each episode for error messages, in order."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> Episode:
        """Read one episode into memory.

        Raises:
            EpisodeError: If it is damaged; with the set, the episode and the field.
            IndexError: If there is no such episode.
        """

    def sha256(self) -> str:
        """Return the sha256 over the sorted sha256 of the files of the set."""
