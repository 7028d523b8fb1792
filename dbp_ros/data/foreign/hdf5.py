"""HDF5 data sets: demonstrations of robomimic and LIBERO, or one episode per file as of ALOHA."""

import re
from bisect import bisect_right
from collections.abc import Collection
from itertools import accumulate
from pathlib import Path
from typing import Any

import h5py

from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.data.foreign.array_files import HDF5_SUFFIXES, ArrayFiles, ArrayHeader
from dbp_ros.data.foreign.robomimic import RobomimicFile
from dbp_ros.data.hashing import files_sha256
from dbp_ros.data.importing import Values
from dbp_ros.data.read_errors import error_context
from dbp_ros.data.selection import Selection
from dbp_ros.errors import EpisodeError

# Groups of one episode each, as of ManiSkill, and the largest number of them in an error.
EPISODE_GROUP = re.compile(r"(traj|trajectory|episode|ep|demo|rollout)_?\d+")
MAX_LISTED = 5


def hdf5_files(path: Path) -> list[Path]:
    """Return the HDF5 files of a folder and of the folders below it, sorted."""
    found = (file for suffix in HDF5_SUFFIXES for file in path.rglob(f"*{suffix}"))
    return sorted(file for file in found if file.is_file())


def open_hdf5(path: Path, selection: Selection) -> EpisodeSet:
    """Open a file, or a folder of files.

    Raises:
        EpisodeError: If a file is damaged or of another layout, or a key is missing.
    """
    files = [path] if path.is_file() else hdf5_files(path)
    with error_context(str(files[0])), h5py.File(files[0], "r") as file:
        has_demonstrations = "data" in file
        is_empty = len(file) == 0
        _check_one_episode(file)
    if not has_demonstrations and not is_empty:
        return Hdf5Arrays(path, files, selection)
    return RobomimicFile(path, selection) if path.is_file() else RobomimicFolder(path, selection)


def _check_one_episode(file: Any) -> None:
    """Check that a file has no groups of episodes, other than those of robomimic.

    Raises:
        EpisodeError: If it has several, of which a key would read one only.
    """
    groups = [name for name in file if EPISODE_GROUP.fullmatch(name)]
    episodes = [name for name in groups if isinstance(file[name], h5py.Group)]
    if len(episodes) > 1:
        raise EpisodeError(
            f"has groups {', '.join(episodes[:MAX_LISTED])}, expected data/demo_0, data/demo_1, "
            "..., or one episode per file: convert it to one of them"
        )


def describe_hdf5(path: Path, selection: Selection) -> tuple[str, ...]:
    """Return what the reader of a file or a folder assumes, in sentences."""
    episodes = open_hdf5(path, selection)
    return episodes.notes if isinstance(episodes, RobomimicFile | RobomimicFolder) else ()


class RobomimicFolder:
    """The demonstrations of several files, such as one per task in LIBERO.

    Attributes:
        notes: What the reader assumes, in sentences.
    """

    def __init__(self, path: Path, selection: Selection) -> None:
        """Read the metadata of each file.

        Raises:
            EpisodeError: If a file is damaged or empty, or a key is missing.
        """
        self.origin, self._paths = str(path), hdf5_files(path)
        self._files = [RobomimicFile(file, selection) for file in self._paths]
        self._ends = list(accumulate(map(len, self._files)))
        self.unused = self._files[0].unused
        self.notes = tuple(dict.fromkeys(note for file in self._files for note in file.notes))
        self.names = tuple(
            f"{file.relative_to(path)}, {name}"
            for file, demonstrations in zip(self._paths, self._files, strict=True)
            for name in demonstrations.names
        )

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> Episode:
        """Read one demonstration; see `EpisodeSet`."""
        number = range(len(self))[index]
        file = bisect_right(self._ends, number)
        return self._files[file].read(number - self._ends[file])

    def sha256(self) -> str:
        """Return the sha256 over the sorted sha256 of the files."""
        return files_sha256(self._paths)


class Hdf5Arrays(ArrayFiles):
    """Episodes in HDF5 files of one episode each."""

    def headers(self, file: Path) -> dict[str, ArrayHeader]:
        """Return shape and type of each array with a first axis."""
        with h5py.File(file, "r") as opened:
            arrays = _arrays(opened).items()
            return {key: ArrayHeader(tuple(a.shape), a.dtype) for key, a in arrays}

    def arrays(self, file: Path, keys: Collection[str]) -> dict[str, Values]:
        """Return arrays of a file.

        Raises:
            KeyError: If a key is missing.
        """
        with h5py.File(file, "r") as opened:
            arrays = _arrays(opened)
            return {key: arrays[key][()] for key in keys}


def _arrays(file: Any) -> dict[str, Any]:
    """Return the arrays of a file with a first axis; dots separate the groups in their keys."""
    arrays: dict[str, Any] = {}

    def add(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim:
            arrays[path.replace("/", ".")] = item

    file.visititems(add)
    return arrays
