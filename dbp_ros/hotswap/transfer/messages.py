"""Messages of a bundle transfer, as validated JSON."""

from dataclasses import astuple, dataclass
from typing import TypeVar

from dbp_ros.errors import BundleError, ConfigError
from dbp_ros.settings.fields import from_json, to_json

CHUNK_BYTES = 1 << 16
WINDOW = 16
MAX_JSON_BYTES = 1 << 16

Kind = TypeVar("Kind", bound="Message")


@dataclass(frozen=True)
class Message:
    """Message that is sent as JSON."""

    def to_json(self) -> str:
        """Return the message as one line."""
        return to_json(self)

    @classmethod
    def from_json(cls: type[Kind], text: str) -> Kind:
        """Parse a message.

        Raises:
            BundleError: If its keys or values are not those of `to_json`.
        """
        try:
            message = from_json(cls, text, MAX_JSON_BYTES)
            if any(value < 0 for value in astuple(message) if isinstance(value, int)):
                raise ConfigError("a number is negative")
        except ConfigError as error:
            raise BundleError(f"invalid {cls.__name__} message: {error}") from error
        return message


@dataclass(frozen=True)
class Announcement(Message):
    """Announcement of an available bundle.

    Attributes:
        name: Name of the model.
        sha256: Sha256 of the manifest, the identifier of the bundle.
        size: Total size of its files in bytes.
        path: Its folder on the sender's machine; empty to require a transfer.
        sequence: Count of the sender's announcements.
        sender: Identifier of the sender process.
    """

    name: str
    sha256: str
    size: int
    path: str
    sequence: int
    sender: str


@dataclass(frozen=True)
class Request(Message):
    """Request for `count` chunks of a file, from index `first`."""

    sha256: str
    file: str
    first: int
    count: int


@dataclass(frozen=True)
class ChunkHeader(Message):
    """Header of a chunk of a file of `size` bytes; `digest` is the sha256 of the chunk."""

    sha256: str
    file: str
    index: int
    size: int
    digest: str


def num_chunks(size: int) -> int:
    """Return the number of chunks of a file; an empty file has one, which completes it."""
    return max(1, -(-size // CHUNK_BYTES))
