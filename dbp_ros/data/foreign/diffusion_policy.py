"""Replay buffers of Diffusion Policy and UMI: a zarr store.

Every array below `data` concatenates all episodes along its first axis, time. `meta/episode_ends`
holds the row after the last row of each episode. 3D Diffusion Policy adds clouds as
`data/point_cloud`.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import RowShape
from dbp_ros.data.foreign.array_files import first_key
from dbp_ros.data.foreign.zarr_store import ENDS, codec_error, open_store
from dbp_ros.data.hashing import files_sha256
from dbp_ros.data.image_rows import is_image
from dbp_ros.data.importing import Layout, Values, make_episode
from dbp_ros.data.read_errors import error_context
from dbp_ros.data.row_stamps import assumed_rate, step_of_stamps, with_own_step
from dbp_ros.data.selection import DEFAULT_SELECTION, Selection, choose, choose_action
from dbp_ros.errors import EpisodeError

# Common keys of each role, the first that a store has is read.
STATES = ("state", "states", "agent_pos")
ACTIONS = ("action", "actions")
# Position of a hand in UMI.
HAND = re.compile(r"robot\d+_eef_pos")
IMAGE = "img"
CLOUD = "point_cloud"
SECONDS = "timestamp"
# The rate of Push-T; the format does not store it.
STEP_S = 1 / 10


class DiffusionPolicyStore:
    """The episodes of one store, a folder or a zip file.

    By default the state is the first of `state`, `states` and `agent_pos`, the action that of
    `action` and `actions`, the cameras all arrays of shape (steps, height, width, 3) or
    (steps, 3, height, width), the cloud `point_cloud` if present. Timestamps come from `timestamp`
    if present, unless the selection gives a step. A store without an action, such as those of UMI,
    needs a selection.

    Attributes:
        notes: What the reader assumes, in sentences.
    """

    def __init__(self, path: Path, selection: Selection = DEFAULT_SELECTION) -> None:
        """Open the store and read the ends of the episodes.

        Raises:
            EpisodeError: If the store is damaged or empty, or a key is missing.
        """
        self.origin = str(path)
        self._path = path
        with error_context(self.origin):
            root = open_store(path)
            self._ends = _episode_ends(np.asarray(root[ENDS][:]))
            self._data = _arrays(root)
            shapes = {key: tuple(array.shape[1:]) for key, array in self._data.items()}
            self._layout = _layout(shapes, selection)
            is_assumed = not self._layout.seconds and selection.step_s is None
            self.notes = (assumed_rate(STEP_S),) if is_assumed else ()
            if self._layout.seconds:
                self._layout = replace(self._layout, step_s=self._median_step_s())
            self.unused = self._layout.unused(shapes)
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
            return with_own_step(
                make_episode(lambda key: self._rows(key, rows), self._layout, self._task, None)
            )

    def _median_step_s(self) -> float:
        """Return the median time between two rows of the first episode with two, in [s]."""
        starts = [0, *self._ends[:-1]]
        for start, end in zip(starts, self._ends, strict=True):
            if end - start > 1:
                return step_of_stamps(SECONDS, self._rows(SECONDS, slice(start, end)))
        return STEP_S

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


def _arrays(root: Any) -> dict[str, Any]:
    try:
        return dict(root["data"].arrays())
    except ValueError as error:
        raise codec_error(error) from error


def _layout(shapes: dict[str, RowShape], selection: Selection) -> Layout:
    action = first_key(ACTIONS, shapes)
    if not (action or selection.action) and any(map(HAND.fullmatch, shapes)):
        raise EpisodeError(_without_action(shapes))
    if selection.action and not action and selection.step_s is None and SECONDS not in shapes:
        raise EpisodeError(
            "the store has neither a rate nor timestamps: give the time between two rows with "
            "--step-s, such as 0.05 for 20 Hz"
        )
    cameras = sorted(key for key, shape in shapes.items() if is_image(shape))
    cameras += [IMAGE] if IMAGE in shapes and IMAGE not in cameras else []
    return Layout(
        state=choose("state", selection.state, (first_key(STATES, shapes) or STATES[0],), shapes),
        action=choose_action(selection.action, action or ACTIONS[0], shapes),
        images=choose("images", selection.images, cameras, shapes),
        points=choose("points", selection.points, {CLOUD} & set(shapes), shapes),
        step_s=selection.step_s or STEP_S,
        seconds=SECONDS if SECONDS in shapes and selection.step_s is None else "",
    )


def _without_action(shapes: dict[str, RowShape]) -> str:
    """Return the error of a store that records no commands, with a selection that fits."""
    constant = re.compile(r".*(start|end)_pose")
    low = [key for key in sorted(shapes) if len(shapes[key]) <= 1 and not constant.fullmatch(key)]
    keys = [key for key in low if key != SECONDS] or sorted(shapes)
    return (
        f"no key {ACTIONS[0]!r} for action: use one of {', '.join(sorted(shapes))}. A store of UMI "
        "has no commands, its actions are the poses of the hand: "
        f"--action {'+'.join(keys)} --state {' '.join(keys)}"
    )
