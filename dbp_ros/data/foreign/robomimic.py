"""Data sets of robomimic: one HDF5 file.

`data/demo_N` holds `obs/<key>`, `actions`, `rewards` and `dones`; the attribute `env_args` of
`data` is JSON with the environment's name and arguments. The filter keys below `mask` are
ignored: the training run splits the episodes itself.
"""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py

from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import RowShape
from dbp_ros.data.hashing import files_sha256
from dbp_ros.data.image_rows import is_image
from dbp_ros.data.importing import Layout, Values, make_episode
from dbp_ros.data.read_errors import error_context
from dbp_ros.data.row_stamps import assumed_rate, stored_step
from dbp_ros.data.selection import DEFAULT_SELECTION, Selection, choose, choose_action
from dbp_ros.errors import EpisodeError

ACTIONS = "actions"
REWARDS = "rewards"
# Written by this package: measured time of each row, whether a human drove it in an episode of a
# policy, and as attributes column names, task and outcome.
STAMPS_NS = "stamps_ns"
INTERVENTIONS = "interventions"
NAMES, TASK, OUTCOME = "names", "task", "outcome"
STEP_S = 1 / 20
# Groups named in an error, at most.
MAX_LISTED = 5
# Low-dimensional observations of robomimic's own configurations.
DEFAULT_STATE = re.compile(r"object|robot\d+_(eef_pos|eef_quat|gripper_qpos)")
GRIPPER_POSITION = re.compile(r"robot\d+_eef_pos")


class RobomimicFile:
    """The demonstrations of one file, by number.

    By default the state is `object` and the poses and openings of the grippers, sorted by name; if
    no position of a gripper is stored, every low-dimensional observation. The cameras are all
    observations of shape (steps, height, width, 3) or (steps, 3, height, width), whatever their
    names. Groups among the observations, as of Isaac Lab, are not read.
    Actions are those of the environment, usually relative ones from -1 to 1.

    Attributes:
        notes: What the reader assumes, in sentences.
    """

    def __init__(self, path: Path, selection: Selection = DEFAULT_SELECTION) -> None:
        """Read the metadata of the file.

        Raises:
            EpisodeError: If the file is damaged or empty, a key is missing, or another step is
                selected than the file stores.
        """
        self.origin = str(path)
        self._path = path
        with error_context(self.origin), h5py.File(path, "r") as file:
            self.names = _demonstrations(file)
            environment = _environment(file["data"])
            arguments = environment.get("env_kwargs", {})
            self._task = str(environment.get("env_name", "unknown"))
            self._sparse = arguments.get("reward_shaping") is False
            step_s = _step_s(arguments, selection)
            is_assumed = "control_freq" not in arguments and selection.step_s is None
            self.notes = (assumed_rate(step_s),) if is_assumed else ()
            demo = file["data"][self.names[0]]
            self._layout = _layout(demo, selection, step_s)
            shapes = _row_shapes(demo)
            self.unused = replace(self._layout, interventions=INTERVENTIONS).unused(shapes)

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> Episode:
        """Read one demonstration; see `EpisodeSet`.

        Task and outcome are those of the demonstration, which `dbp episodes export` writes. Without
        them the task is the environment, and with a sparse reward a demonstration without any
        reward is a failure.
        """
        name = self.names[index]
        with error_context(f"{self.origin}, {name}"), h5py.File(self._path, "r") as file:
            demo = file["data"][name]
            layout, success = self._layout, None
            # Demonstrations may be in one file with episodes of a policy.
            if INTERVENTIONS in demo:
                layout = replace(layout, interventions=INTERVENTIONS)
            if self._sparse and self._layout.rewards:
                success = bool((_array(demo, REWARDS, self._layout) > 0).any())
            if OUTCOME in demo.attrs:
                success = str(demo.attrs[OUTCOME]) == "success"
            task = str(demo.attrs.get(TASK, self._task))
            return make_episode(lambda key: _array(demo, key, layout), layout, task, success)

    def sha256(self) -> str:
        """Return the sha256 over the sha256 of the file."""
        return files_sha256([self._path])


def _demonstrations(file: Any) -> tuple[str, ...]:
    found = [name for name in file.get("data", ()) if re.fullmatch(r"demo_\d+", name)]
    if not found:
        groups = ", ".join(list(file.get("data", ()))[:MAX_LISTED]) or "nothing"
        raise EpisodeError(
            f"no data/demo_0, data holds {groups}: name the demonstrations demo_0, demo_1, ..."
        )
    return tuple(sorted(found, key=lambda name: int(name.removeprefix("demo_"))))


def _environment(data: Any) -> dict[str, Any]:
    environment: dict[str, Any] = json.loads(data.attrs.get("env_args", "{}"))
    return environment


def _step_s(arguments: dict[str, Any], selection: Selection) -> float:
    control_hz = arguments.get("control_freq")
    if control_hz is None:
        return selection.step_s or STEP_S
    if not control_hz > 0:
        raise EpisodeError(f"control_freq of env_args is {control_hz}, expected a rate above 0")
    return stored_step(float(1 / control_hz), selection.step_s)


def _row_shapes(demo: Any) -> dict[str, RowShape]:
    """Return the shape of a row of each array of a demonstration and of its observations."""
    arrays = _arrays(demo) | _arrays(demo["obs"])
    return {key: tuple(array.shape[1:]) for key, array in arrays.items()}


def _arrays(group: Any) -> dict[str, Any]:
    """Return the arrays of a group, without those of the groups in it."""
    return {key: value for key, value in group.items() if isinstance(value, h5py.Dataset)}


def _layout(demo: Any, selection: Selection, step_s: float) -> Layout:
    if "obs" not in demo:
        raise EpisodeError("the demonstrations have no obs: extract the observations first")
    observations, arrays = _arrays(demo["obs"]), _arrays(demo)
    shapes = {key: value.shape for key, value in observations.items()}
    # Isaac Lab stores the previous action as an observation, which is no state.
    low = sorted(key for key, shape in shapes.items() if len(shape) <= 2 and key != ACTIONS)
    has_position = any(GRIPPER_POSITION.fullmatch(key) for key in low)
    default = [key for key in low if DEFAULT_STATE.fullmatch(key)] if has_position else low
    cameras = sorted(key for key, shape in shapes.items() if is_image(shape[1:]))
    # LIBERO has further states of the robot next to the observations.
    tables = [key for key, value in arrays.items() if len(value.shape) == 2]
    return Layout(
        state=choose("state", selection.state, default, {*low, *tables} - {ACTIONS}),
        action=choose_action(selection.action, ACTIONS, {*tables, *low}),
        images=choose("images", selection.images, cameras, cameras),
        points=choose("points", selection.points, (), shapes),
        step_s=step_s,
        rewards=REWARDS if REWARDS in demo else "",
        stamps_ns=STAMPS_NS if STAMPS_NS in demo else "",
        columns=_column_names({**observations, **{key: arrays[key] for key in tables}}),
    )


def _column_names(arrays: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    named = {key: array.attrs[NAMES] for key, array in arrays.items() if NAMES in array.attrs}
    return {key: tuple(map(str, names)) for key, names in named.items()}


def _array(demo: Any, key: str, layout: Layout) -> Values:
    observations = demo["obs"]
    labels = (layout.rewards, layout.stamps_ns, layout.interventions)
    is_command = key in (*layout.action_keys, *labels)
    found = [group for group in (observations, demo) if key in group]
    if not found:
        raise EpisodeError(f"no key {key}: use one of {', '.join(sorted(observations))}")
    values: Values = found[-1 if is_command else 0][key][()]
    return values
