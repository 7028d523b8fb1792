"""Episodes with the joints, units and cameras of a robot, from a data set with other names."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property

import numpy as np

from dbp_ros.data.derived_episodes import DerivedEpisodes
from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import EpisodeSet, RowShape
from dbp_ros.errors import EpisodeError
from dbp_ros.settings.data_mapping import DataMapping
from dbp_ros.settings.parameter_yaml import suggestion
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.types import Floats

# Share of a joint's range, at least 0.1 rad or m, by which recorded values may exceed its limits.
RANGE_MARGIN, MIN_MARGIN = 0.2, 0.1


class MappedEpisodes(DerivedEpisodes):
    """Set of episodes in the names and units of a robot.

    States and actions are the joints of the robot in its order. Cameras have the names of the
    description; those that the data lack are left out.
    """

    def __init__(self, episodes: EpisodeSet, robot: RobotDescription) -> None:
        """Wrap a set.

        Args:
            episodes: Set in its own names.
            robot: Description with the mapping of its data.
        """
        super().__init__(episodes)
        self._robot = robot

    @property
    def unused(self) -> Mapping[str, RowShape]:
        """Keys that are not read, and the columns of the first episode that are no joint's."""
        return self._unused

    @cached_property
    def _unused(self) -> dict[str, RowShape]:
        found, columns = self._episodes.read(0), map(self._robot.data.columns, self._robot.joints)
        states, actions = (set(side) for side in zip(*columns, strict=True))
        unused: dict[str, RowShape] = dict(self._episodes.unused)
        unused |= {f"state {name}": () for name in found.state_names if name not in states}
        unused |= {f"action {name}": () for name in found.action_names if name not in actions}
        return unused

    def read(self, index: int) -> Episode:
        """Read one episode; see `EpisodeSet.read`.

        Raises:
            EpisodeError: If a column of a joint is missing, or values are far beyond its limits.
        """
        try:
            return map_episode(self._episodes.read(index), self._robot)
        except EpisodeError as error:
            raise EpisodeError(f"{self.names[index]}: {error}") from error

    def sha256(self) -> str:
        """Return the hash of the original set and of the mapping, if the names or units differ."""
        original, robot = self._episodes.sha256(), self._robot
        if robot.data == DataMapping():
            return original
        mapping = json.dumps([robot.joints, [*robot.cameras], asdict(robot.data)], sort_keys=True)
        return hashlib.sha256(f"{original}\n{mapping}".encode()).hexdigest()


def mapped_keys(robot: RobotDescription, unused: Collection[str]) -> tuple[str, ...]:
    """Return the keys of the state that the joints of a robot need, in the order of the joints.

    Args:
        robot: Description, whose columns may be named `KEY.INDEX`.
        unused: Keys that are not read without a choice.

    Returns:
        Nothing if all needed keys are read without a choice.
    """
    names = [robot.data.columns(joint)[0].rpartition(".") for joint in robot.joints]
    keys = tuple(dict.fromkeys(key for key, _, index in names if index.isdecimal()))
    return keys if any(key in unused for key in keys) else ()


def map_episode(episode: Episode, robot: RobotDescription) -> Episode:
    """Return an episode in the names and units of a robot.

    Raises:
        EpisodeError: If a column of a joint is missing, or its values are far beyond its limits.
    """
    columns = [robot.data.columns(joint) for joint in robot.joints]
    states = _converted(
        "state", episode.states, episode.state_names, [state for state, _ in columns], robot
    )
    actions = _converted(
        "action",
        episode.actions,
        episode.action_names,
        [action for _, action in columns],
        robot,
        measured=states,
    )
    keys = {robot.data.key_of(camera): camera for camera in robot.cameras}
    return replace(
        episode,
        state_names=robot.joints,
        action_names=robot.joints,
        states=states,
        actions=actions,
        images={keys.get(key, key): images for key, images in episode.images.items()},
    )


def _converted(
    what: str,
    values: Floats,
    names: Sequence[str],
    columns: Sequence[str],
    robot: RobotDescription,
    measured: Floats | None = None,
) -> Floats:
    """Return the columns of the robot's joints, in [rad] and [m]. Shape (steps, nu).

    Args:
        what: `state` or `action`.
        values: The table. Shape (steps, columns).
        names: Names of its columns.
        columns: Column of each joint.
        robot: Description of the robot.
        measured: Measured positions, to which actions of kind `delta` are added; None for states.
    """
    for joint, column in zip(robot.joints, columns, strict=True):
        if column not in names:
            guess = suggestion(column, names, f"it has {', '.join(names)}.")
            raise EpisodeError(
                f"no {what} {column!r} for {joint}{guess} Correct data in the description of "
                f"{robot.name}"
            )
    is_action = measured is not None
    conversions = [robot.data.conversion(joint, is_action) for joint in robot.joints]
    factors, offsets = np.array(conversions).T
    chosen = values[:, [names.index(column) for column in columns]].astype(np.float64)
    if measured is not None:
        deltas = np.array([robot.data.is_delta(joint) for joint in robot.joints])
        offsets = np.where(deltas, measured, offsets)
    converted: Floats = (chosen * factors + offsets).astype(np.float32)
    for index, joint in enumerate(robot.joints):
        recorded = values[:, names.index(columns[index])]
        _check_range(what, columns[index], recorded, converted[:, index], robot, joint)
    return converted


def _check_range(
    what: str,
    column: str,
    recorded: Floats,
    converted: Floats,
    robot: RobotDescription,
    joint: str,
) -> None:
    limits = robot.joint_limits[joint]
    low, high = limits.min_position, limits.max_position
    margin = max(MIN_MARGIN, RANGE_MARGIN * (high - low))
    if low - margin <= converted.min() and converted.max() <= high + margin:
        return
    raise EpisodeError(
        f"{what} {column} runs from {recorded.min():g} to {recorded.max():g}, which is "
        f"{converted.min():g} to {converted.max():g} for {joint} with limits {low:g} to {high:g}: "
        f"set unit, sign or ranges of {joint} in data of the description of {robot.name}"
    )
