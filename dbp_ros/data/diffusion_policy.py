"""Replay buffers of Diffusion Policy: a zarr store.

Every array below `data` concatenates all episodes along its first axis, time. `meta/episode_ends`
holds the row after the last row of each episode. 3D Diffusion Policy adds clouds as
`data/point_cloud`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import zarr
import zarr.storage

from dbp_ros.data.episode import Episode
from dbp_ros.data.hashing import files_sha256
from dbp_ros.data.importing import Layout, Values, make_episode
from dbp_ros.data.read_errors import error_context
from dbp_ros.data.selection import DEFAULT_SELECTION, Selection, choose, choose_action
from dbp_ros.errors import EpisodeError

STATE = "state"
ACTION = "action"
IMAGE = "img"
CLOUD = "point_cloud"
SECONDS = "timestamp"
# The rate of Push-T; the format does not store it.
STEP_S = 1 / 10


class DiffusionPolicyStore:
    """The episodes of one store, a folder or a zip file.

    By default the state is `state`, the action `action`, the camera `img`, the cloud `point_cloud`
    if present. Timestamps come from `timestamp` if present.
    """

    def __init__(self, path: Path, selection: Selection = DEFAULT_SELECTION) -> None:
        """Open the store and read the ends of the episodes.

        Raises:
            EpisodeError: If the store is damaged or empty, or a key is missing.
        """
        self.origin = str(path)
        self._path = path
        with error_context(self.origin):
            store = str(path) if path.is_dir() else zarr.storage.ZipStore(str(path), mode="r")
            root: Any = zarr.open_group(store, mode="r")
            self._data = root["data"]
            self._ends = _episode_ends(np.asarray(root["meta"]["episode_ends"][:]))
            self._layout = _layout(set(self._data.keys()), selection)
            self.unused = self._layout.unused(
                {key: tuple(array.shape[1:]) for key, array in self._data.arrays()}
            )
        self._task = path.name.removesuffix(".zip").removesuffix(".zarr")
        self.names = tuple(f"episode {index}" for index in range(len(self._ends)))

    def __len__(self) -> int:
        return len(self._ends)

    def read(self, index: int) -> Episode:
        """Read one episode; see `EpisodeSet`."""
        with error_context(f"{self.origin}, {self.names[index]}"):
            number = range(len(self._ends))[index]
            first = self._ends[number - 1] if number else 0
            rows = slice(first, self._ends[number])
            return make_episode(lambda key: self._rows(key, rows), self._layout, self._task, None)

    def _rows(self, key: str, rows: slice) -> Values:
        array = self._data[key]
        if array.shape[0] < rows.stop:
            raise EpisodeError(
                f"{key} has {array.shape[0]} rows, expected at least {rows.stop}: "
                "meta/episode_ends is of another store, or data are missing"
            )
        return np.asarray(array[rows])

    def sha256(self) -> str:
        """Return the sha256 over the sorted sha256 of the store's files."""
        found = [self._path] if self._path.is_file() else self._path.rglob("*")
        return files_sha256(path for path in found if path.is_file())


def _episode_ends(ends: Values) -> list[int]:
    if len(ends) == 0:
        raise EpisodeError("meta/episode_ends is empty, expected at least one episode")
    if ends.ndim != 1 or ends[0] <= 0 or (np.diff(ends) <= 0).any():
        raise EpisodeError(
            f"meta/episode_ends is {ends.tolist()}, expected increasing rows above 0"
        )
    return [int(end) for end in ends]


def _layout(available: set[str], selection: Selection) -> Layout:
    return Layout(
        state=choose("state", selection.state, (STATE,), available),
        action=choose_action(selection.action, ACTION, available),
        images=choose("images", selection.images, {IMAGE} & available, available),
        points=choose("points", selection.points, {CLOUD} & available, available),
        step_s=selection.step_s or STEP_S,
        seconds=SECONDS if SECONDS in available else "",
    )
