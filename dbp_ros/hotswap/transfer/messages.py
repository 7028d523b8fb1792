"""What sender and receiver of a bundle tell each other: JSON that can do nothing but be wrong."""

import json
from dataclasses import asdict, dataclass
from typing import TypeVar

from dbp_ros.errors import BundleError
from dbp_ros.settings.json_fields import field_kinds, parse_fields

PIECE_BYTES = 1 << 16
WINDOW = 16
LONGEST_JSON = 1 << 16

Kind = TypeVar("Kind", bound="Message")


@dataclass(frozen=True)
class Message:
    """Something that is sent as JSON."""

    def to_json(self) -> str:
        """Return the note as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls: type[Kind], text: str) -> Kind:
        """Read a note.

        Raises:
            BundleError: If it is not exactly what `to_json` writes.
        """
        try:
            values = parse_fields(text, field_kinds(cls), LONGEST_JSON)
            if any(value < 0 for value in values.values() if isinstance(value, int)):
                raise ValueError("a number is negative")
        except ValueError as error:
            raise BundleError(f"a note is no {cls.__name__.lower()}: {error}") from error
        return cls(**values)


@dataclass(frozen=True)
class Announcement(Message):
    """That there is a bundle.

    Attributes:
        name: Of the model.
        sha256: Of the manifest, by which a bundle is known.
        size: Of all its files, in bytes.
        path: Its folder on the sender's machine; empty to have it fetched in any case.
        sequence: Rises with every announcement of a sender.
        sender: Another one after each start.
    """

    name: str
    sha256: str
    size: int
    path: str
    sequence: int
    sender: str


@dataclass(frozen=True)
class Request(Message):
    """That `count` pieces of a file are wanted, from the piece `first` on."""

    sha256: str
    file: str
    first: int
    count: int


@dataclass(frozen=True)
class ChunkHeader(Message):
    """What a piece is: a part of a file of `size` bytes, with the sha256 of the part."""

    sha256: str
    file: str
    index: int
    size: int
    digest: str


def pieces_of(size: int) -> int:
    """Return how many pieces a file has; an empty one has one, or it would never arrive."""
    return max(1, -(-size // PIECE_BYTES))
