"""Data sets of one file per episode, with an array per key: NumPy archives or HDF5 files.

The keys of an HDF5 file include its groups, such as `observations.qpos` of ALOHA. The first axis of
each array is time.
"""

import math
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dbp_ros.data.episode import SUFFIX, Episode
from dbp_ros.data.episode_set import RowShape
from dbp_ros.data.foreign.trajectory_ends import end_keys, require_one_episode
from dbp_ros.data.hashing import files_sha256
from dbp_ros.data.image_rows import compressed_images, is_image
from dbp_ros.data.importing import NUMBERS, Layout, Values, make_episode, require_numbers
from dbp_ros.data.read_errors import error_context
from dbp_ros.data.row_stamps import step_of_stamps, with_own_step
from dbp_ros.data.selection import DEFAULT_SELECTION, Selection, choose, choose_action
from dbp_ros.errors import EpisodeError

# Common keys of each role, the first that a file has is read.
STATES = ("state", "states", "observation.state", "qpos", "observations.qpos")
ACTIONS = ("action", "actions")
SECONDS = ("timestamp", "timestamps")
HDF5_SUFFIXES = (".hdf5", ".h5")


@dataclass(frozen=True)
class ArrayHeader:
    """Shape and type of an array with a first axis.

    Attributes:
        shape: Of the whole array.
        dtype: Of its items; bytes and objects are not read.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def row(self) -> RowShape:
        """Shape of a row."""
        return self.shape[1:]

    @property
    def has_numbers(self) -> bool:
        """Whether the items are numbers."""
        return self.dtype.kind in NUMBERS


class ArrayFiles(ABC):
    """Episodes of one file each, in the order of their names.

    By default the state is the first of `state`, `states`, `observation.state`, `qpos` and
    `observations.qpos`, the action that of `action` and `actions`, and the cameras all arrays of
    shape (steps, height, width, 3) or (steps, 3, height, width). The files contain no rate, so
    timestamps in [s] are needed, or `step_s` of the selection, which replaces them.
    """

    def __init__(
        self, path: Path, files: Sequence[Path], selection: Selection = DEFAULT_SELECTION
    ) -> None:
        """Read the keys of the first file.

        Args:
            path: The set, for errors.
            files: At least one file.
            selection: What to read of each episode.

        Raises:
            EpisodeError: If the first file is damaged, a key is missing, or there is no rate.
        """
        self.origin, self._files = str(path), tuple(files)
        folder = path.parent if path.is_file() else path
        self.names = tuple(str(file.relative_to(folder)) for file in self._files)
        self._task = path.stem
        with error_context(str(self._files[0])):
            headers = self.headers(self._files[0])
            layout = _layout(headers, selection)
            step_s = selection.step_s or self._step_s(layout.seconds)
            self._layout = replace(layout, step_s=step_s)
            self.unused = self._layout.unused({key: one.row for key, one in headers.items()})

    @abstractmethod
    def headers(self, file: Path) -> dict[str, ArrayHeader]:
        """Return shape and type of each array with a first axis."""

    @abstractmethod
    def arrays(self, file: Path, keys: Collection[str]) -> dict[str, Values]:
        """Return arrays of a file.

        Raises:
            KeyError: If a key is missing.
        """

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> Episode:
        """Read one episode; see `EpisodeSet`.

        Raises:
            EpisodeError: If it is damaged, lacks a key, or holds several episodes.
        """
        layout = self._layout
        keys = {*layout.state, *layout.action_keys, *layout.images, *layout.points}
        file = self._files[index]
        with error_context(str(file)):
            keys, headers = keys | {layout.seconds} - {""}, self.headers(file)
            if missing := sorted(keys - set(headers)):
                raise EpisodeError(
                    f"has no array {', '.join(missing)}, as {self.names[0]} has: "
                    "drop it, or choose what all have with --state, --action and --images"
                )
            _require_readable({key: headers[key] for key in sorted(keys)}, layout.images)
            marks = end_keys([key for key, one in headers.items() if one.has_numbers])
            found = self.arrays(file, keys | marks)
            require_one_episode({key: found[key] for key in marks})
            return with_own_step(make_episode(found.__getitem__, layout, self._task, None))

    def sha256(self) -> str:
        """Return the sha256 over the sorted sha256 of the files."""
        return files_sha256(self._files)

    def _step_s(self, key: str) -> float:
        """Return the median time between two rows of the first file with more than one, in [s].

        Args:
            key: Key of the timestamps; empty without any.
        """
        if not key:
            raise EpisodeError(
                "has neither a rate nor timestamps: give the time between two rows with --step-s, "
                "such as 0.02 for 50 Hz"
            )
        stamps = (self.arrays(file, (key,))[key] for file in self._files)
        longer = next((found for found in stamps if len(found) > 1), None)
        if longer is None:
            raise EpisodeError(f"no file has two rows of {key}: give the step with --step-s")
        return step_of_stamps(key, longer)


class NpzArrays(ArrayFiles):
    """Episodes in `.npz` files of other projects."""

    def headers(self, file: Path) -> dict[str, ArrayHeader]:
        """Return shape and type of each array with a first axis.

        Only the headers are read, so that arrays of Python objects are never unpickled.
        """
        with zipfile.ZipFile(file) as archive:
            headers = {name: _header(archive, name) for name in archive.namelist()}
        return {name.removesuffix(".npy"): one for name, one in headers.items() if one.shape}

    def arrays(self, file: Path, keys: Collection[str]) -> dict[str, Values]:
        """Return arrays of a file.

        Raises:
            KeyError: If a key is missing.
        """
        with np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in keys}


def open_npz_arrays(path: Path, selection: Selection) -> NpzArrays:
    """Open a folder of `.npz` files."""
    return NpzArrays(path, sorted(path.glob(f"*{SUFFIX}")), selection)


def _header(archive: zipfile.ZipFile, name: str) -> ArrayHeader:
    """Return shape and type of an array in a `.npz` file."""
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0}
        shape, _, dtype = read.get(version, np.lib.format.read_array_header_2_0)(file)
    return ArrayHeader(tuple(shape), dtype)


def _require_readable(headers: Mapping[str, ArrayHeader], images: Collection[str]) -> None:
    """Check that the chosen arrays are numbers.

    Args:
        headers: Of the chosen arrays.
        images: Keys of the cameras.

    Raises:
        EpisodeError: If one holds bytes or objects, with its type.
    """
    for key, one in headers.items():
        if key in images and not one.has_numbers:
            raise compressed_images(key, one.shape, one.dtype)
        require_numbers(key, one.shape, one.dtype)


def first_key(keys: Sequence[str], available: Collection[str]) -> str:
    """Return the first of some keys that is available; empty without any."""
    return next((key for key in keys if key in available), "")


def _layout(headers: Mapping[str, ArrayHeader], selection: Selection) -> Layout:
    """Return the role of each key, without the rate; only numbers have one by default."""
    shapes = {key: one.row for key, one in headers.items() if one.has_numbers}
    cameras = sorted(key for key, shape in shapes.items() if is_image(shape))
    return Layout(
        state=choose("state", selection.state, (first_key(STATES, shapes) or STATES[0],), headers),
        action=choose_action(selection.action, first_key(ACTIONS, shapes) or ACTIONS[0], headers),
        images=choose("images", selection.images, cameras, headers),
        points=choose("points", selection.points, (), headers),
        step_s=math.nan,
        seconds="" if selection.step_s else first_key(SECONDS, shapes),
    )
