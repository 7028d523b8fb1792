"""Interface of a set of episodes."""

from collections.abc import Mapping
from typing import Protocol

from dbp_ros.data.episode import Episode

# Shape of one row of a key: () for a number, (7,) for seven columns, (480, 640, 3) for an image.
RowShape = tuple[int, ...]


class EpisodeSet(Protocol):
    """Episodes in a fixed order, read one at a time."""

    @property
    def origin(self) -> str:
        """Path of the set, for error messages."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each episode for error messages, in order."""

    @property
    def unused(self) -> Mapping[str, RowShape]:
        """Keys that are in the set and are not read, with the shape of a row.

        With the mapping of a robot also columns that belong to no joint: `state NAME` and
        `action NAME`, of shape ().
        """

    def __len__(self) -> int: ...

    def read(self, index: int) -> Episode:
        """Read one episode into memory.

        Raises:
            EpisodeError: If it is damaged; with the set, the episode and the field.
            IndexError: If there is no such episode.
        """

    def sha256(self) -> str:
        """Return the sha256 over the sorted sha256 of the files of the set."""
