"""Data sets of one file per episode, with an array per key: NumPy archives or HDF5 files.

The keys of an HDF5 file include its groups, such as `observations.qpos` of ALOHA. The first axis of
each array is time.
"""

import math
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dbp_ros.data.episode import SUFFIX, Episode
from dbp_ros.data.episode_set import RowShape
from dbp_ros.data.hashing import files_sha256
from dbp_ros.data.image_rows import is_image
from dbp_ros.data.importing import Layout, Values, make_episode
from dbp_ros.data.read_errors import error_context
from dbp_ros.data.row_stamps import step_of_stamps
from dbp_ros.data.selection import DEFAULT_SELECTION, Selection, choose, choose_action
from dbp_ros.errors import EpisodeError

# Common keys of each role, the first that a file has is read.
STATES = ("state", "states", "observation.state", "qpos", "observations.qpos")
ACTIONS = ("action", "actions")
SECONDS = ("timestamp", "timestamps")
HDF5_SUFFIXES = (".hdf5", ".h5")


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
            shapes = self.row_shapes(self._files[0])
            layout = _layout(shapes, selection)
            step_s = selection.step_s or self._step_s(layout.seconds)
            self._layout = replace(layout, step_s=step_s)
            self.unused = self._layout.unused(shapes)

    @abstractmethod
    def row_shapes(self, file: Path) -> dict[str, RowShape]:
        """Return the shape of a row of each array of numbers with a first axis."""

    @abstractmethod
    def arrays(self, file: Path, keys: Collection[str]) -> dict[str, Values]:
        """Return arrays of a file.

        Raises:
            KeyError: If a key is missing.
        """

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> Episode:
        """Read one episode; see `EpisodeSet`."""
        layout = self._layout
        keys = {*layout.state, *layout.action_keys, *layout.images, *layout.points}
        file = self._files[index]
        with error_context(str(file)):
            keys = keys | {layout.seconds} - {""}
            missing = sorted(keys - set(self.row_shapes(file)))
            if missing:
                raise EpisodeError(
                    f"has no array of numbers for {', '.join(missing)}, as {self.names[0]} has: "
                    "drop it, or choose what all have with --state, --action and --images"
                )
            found = self.arrays(file, keys)
            return make_episode(found.__getitem__, layout, self._task, None)

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

    def row_shapes(self, file: Path) -> dict[str, RowShape]:
        """Return the shape of a row of each array of numbers with a first axis.

        Only the headers are read, so that arrays of Python objects are never unpickled.
        """
        with zipfile.ZipFile(file) as archive:
            headers = {name: _header(archive, name) for name in archive.namelist()}
        return {
            name.removesuffix(".npy"): shape[1:]
            for name, (shape, kind) in headers.items()
            if shape and kind in "fiub"
        }

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


def _header(archive: zipfile.ZipFile, name: str) -> tuple[RowShape, str]:
    """Return shape and kind of an array in a `.npz` file."""
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0}
        shape, _, dtype = read.get(version, np.lib.format.read_array_header_2_0)(file)
    return tuple(shape), dtype.kind


def first_key(keys: Sequence[str], available: Collection[str]) -> str:
    """Return the first of some keys that is available; empty without any."""
    return next((key for key in keys if key in available), "")


def _layout(shapes: dict[str, RowShape], selection: Selection) -> Layout:
    """Return the role of each key, without the rate."""
    cameras = sorted(key for key, shape in shapes.items() if is_image(shape))
    return Layout(
        state=choose("state", selection.state, (first_key(STATES, shapes) or STATES[0],), shapes),
        action=choose_action(selection.action, first_key(ACTIONS, shapes) or ACTIONS[0], shapes),
        images=choose("images", selection.images, cameras, shapes),
        points=choose("points", selection.points, (), shapes),
        step_s=math.nan,
        seconds="" if selection.step_s else first_key(SECONDS, shapes),
    )
