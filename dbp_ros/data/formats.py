"""A set of episodes, whatever format it is kept in."""

import hashlib
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dbp_ros.data.episode import DATASET_FILE, SUFFIX, Episode
from dbp_ros.data.hashing import combined_sha256
from dbp_ros.data.selection import USUAL, Selection
from dbp_ros.errors import EpisodeError
from dbp_ros.extras import install_hint

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
ZIP_MAGIC = b"PK\x03\x04"


class EpisodeSet(Protocol):
    """Episodes that can be read one at a time, in an order that never changes."""

    @property
    def origin(self) -> str:
        """Where the set is, for messages."""

    @property
    def names(self) -> tuple[str, ...]:
        """What to call each episode in an error, in order."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> Episode:
        """Read one episode into memory.

        Raises:
            EpisodeError: If it is damaged; names the set, the episode and the field.
            IndexError: If there is no such episode.
        """

    def sha256(self) -> str:
        """Return the sha256 over the sorted sha256 of the files that make the set."""


class EpisodeList:
    """A set of episodes that are in memory already."""

    def __init__(self, episodes: Sequence[Episode], origin: str = "memory") -> None:
        self.origin = origin
        self.names = tuple(f"episode {index}" for index in range(len(episodes)))
        self._episodes = tuple(episodes)

    def __len__(self) -> int:
        return len(self._episodes)

    def read(self, index: int) -> Episode:
        """Return one episode, not a copy of it."""
        return self._episodes[index]

    def sha256(self) -> str:
        """Return the sha256 over the sorted sha256 of the episodes."""
        return combined_sha256(map(_episode_sha256, self._episodes))


def _episode_sha256(episode: Episode) -> str:
    digest = hashlib.sha256()
    for field in fields(episode):
        value = getattr(episode, field.name)
        named: dict[str, Any] = value if isinstance(value, dict) else {"": value}
        for key, item in sorted(named.items()):
            digest.update(f"{field.name}.{key}".encode())
            if isinstance(item, np.ndarray):
                digest.update(f"{item.dtype}{item.shape}".encode())
                digest.update(np.ascontiguousarray(item).data)
            else:
                digest.update(repr(item).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class DataFormat:
    """A format of data sets: how to tell it, and who reads it.

    Only the module of the format that is found is imported: who trains on episodes of ours needs
    none of the libraries of the others.

    Attributes:
        layout: What is on disk, for the user.
        module: Module of the reader, in this folder.
        reader: Class of the reader, made from a path and a selection.
        fits: Whether a path looks like it.
    """

    layout: str
    module: str
    reader: str
    fits: Callable[[Path], bool]


def _begins_with(path: Path, magic: bytes) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _is_zip(path: Path) -> bool:
    # An episode of ours is a zip file too, but a set is the folder around it.
    return path.suffix != SUFFIX and _begins_with(path, ZIP_MAGIC)


FORMATS = (
    DataFormat(
        "LeRobot v3: a folder with meta/info.json, meta/episodes/ and data/",
        "lerobot",
        "LeRobotFolder",
        lambda path: (path / "meta" / "info.json").is_file(),
    ),
    DataFormat(
        "Diffusion Policy: a .zarr folder or .zarr.zip with data/ and meta/episode_ends",
        "diffusion_policy",
        "ReplayBuffer",
        lambda path: (path / "meta" / "episode_ends").is_dir() or _is_zip(path),
    ),
    DataFormat(
        "robomimic: an .hdf5 file with data/demo_0, data/demo_1, ...",
        "robomimic",
        "RobomimicFile",
        lambda path: _begins_with(path, HDF5_MAGIC),
    ),
    DataFormat(
        f"dbp_ros: a folder with episode_*{SUFFIX}, from `dbp collect`",
        "npz_folder",
        "NpzFolder",
        lambda path: (path / DATASET_FILE).is_file() or any(path.glob(f"episode_*{SUFFIX}")),
    ),
)


def open_episodes(path: Path, selection: Selection = USUAL) -> EpisodeSet:
    """Find out the format of a data set from what is on disk, and open it.

    Args:
        path: A folder or a file.
        selection: What to read of each episode.

    Raises:
        EpisodeError: If there is nothing, the format is unknown, its library is not installed, or
            the set is damaged, empty, or lacks a key of the selection.
    """
    if not path.exists():
        raise EpisodeError(f"{path} does not exist: give the folder or file of a data set")
    for known in FORMATS:
        if known.fits(path):
            reader: EpisodeSet = getattr(_module_of(known), known.reader)(path, selection)
            return reader
    layouts = "\n".join(f"  {known.layout}" for known in FORMATS)
    raise EpisodeError(f"{path} holds no episodes in a layout that is known:\n{layouts}")


def _module_of(known: DataFormat) -> Any:
    try:
        return importlib.import_module(f"dbp_ros.data.{known.module}")
    except ModuleNotFoundError as error:
        if (error.name or "dbp_ros").startswith("dbp_ros"):
            raise
        what, library = known.layout.split(":")[0], (error.name or "").partition(".")[0]
        hint = install_hint(library)
        raise EpisodeError(f"reading {what} needs {library}; {hint}") from error
