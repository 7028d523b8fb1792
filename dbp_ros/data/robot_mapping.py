"""Episodes with the joints, units and cameras of a robot, from a data set with other names."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property

import numpy as np

from dbp_ros.data.derived_episodes import DerivedEpisodes
from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import EpisodeSet, RowShape
from dbp_ros.data.pose_actions import HandKinematics, joints_of_poses
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

    def __init__(
        self,
        episodes: EpisodeSet,
        robot: RobotDescription,
        kinematics: Callable[[], HandKinematics] | None = None,
    ) -> None:
        """Wrap a set.

        Args:
            episodes: Set in its own names.
            robot: Description with the mapping of its data.
            kinematics: Returns the kinematics of the robot, for actions that are poses.
        """
        super().__init__(episodes)
        self._robot, self._kinematics_of = robot, kinematics

    @cached_property
    def _kinematics(self) -> HandKinematics | None:
        poses = self._robot.data.poses
        return self._kinematics_of() if self._kinematics_of and poses else None

    @property
    def unused(self) -> Mapping[str, RowShape]:
        """Keys that are not read, and the columns of the first episode that are no joint's."""
        return self._unused

    @cached_property
    def _unused(self) -> dict[str, RowShape]:
        found, mapping = self._episodes.read(0), self._robot.data
        states = {mapping.columns(joint)[0] for joint in self._robot.joints}
        actions = {mapping.columns(joint)[1] for joint in commanded_joints(self._robot)}
        actions |= {column for pose in mapping.poses.values() for column in pose.columns}
        unused: dict[str, RowShape] = dict(self._episodes.unused)
        unused |= {f"state {name}": () for name in found.state_names if name not in states}
        unused |= {f"action {name}": () for name in found.action_names if name not in actions}
        return unused

    def read(self, index: int) -> Episode:
        """Read one episode; see `EpisodeSet.read`.

        Raises:
            EpisodeError: If a column of a joint is missing, values are far beyond its limits, or a
                pose is out of reach.
        """
        try:
            return map_episode(self._episodes.read(index), self._robot, self._kinematics)
        except EpisodeError as error:
            raise EpisodeError(f"{self.names[index]}: {error}") from error

    def sha256(self) -> str:
        """Return the hash of the original set and of the mapping, if the names or units differ."""
        original, robot = self._episodes.sha256(), self._robot
        if robot.data == DataMapping():
            return original
        values = asdict(robot.data)
        # Hashes in checkpoints of sets without poses do not contain them.
        values = {key: value for key, value in values.items() if key != "poses" or value}
        mapping = json.dumps([robot.joints, [*robot.cameras], values], sort_keys=True)
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


def commanded_joints(robot: RobotDescription) -> tuple[str, ...]:
    """Return the joints whose actions are columns, not poses of the hand."""
    posed = {joint for arm in robot.data.poses for joint in robot.arms[arm].joints}
    return tuple(joint for joint in robot.joints if joint not in posed)


def map_episode(
    episode: Episode, robot: RobotDescription, kinematics: HandKinematics | None = None
) -> Episode:
    """Return an episode in the names and units of a robot.

    Args:
        episode: Episode in its own names.
        robot: Description with the mapping of its data.
        kinematics: Of the robot, for actions that are poses.

    Raises:
        EpisodeError: If a column of a joint is missing, its values are far beyond its limits, or a
            pose is out of reach.
    """
    states = _converted("state", episode.states, episode.state_names, robot.joints, robot)
    keys = {robot.data.key_of(camera): camera for camera in robot.cameras}
    return replace(
        episode,
        state_names=robot.joints,
        action_names=robot.joints,
        states=states,
        actions=_actions(episode, states, robot, kinematics),
        images={keys.get(key, key): images for key, images in episode.images.items()},
    )


def _actions(
    episode: Episode, states: Floats, robot: RobotDescription, kinematics: HandKinematics | None
) -> Floats:
    """Return the actions of the robot's joints, in [rad] and [m]. Shape (steps, nu)."""
    joints = commanded_joints(robot)
    actions = np.empty((len(episode), len(robot.joints)), np.float32)
    values, names = episode.actions, episode.action_names
    measured = states[:, [robot.joints.index(joint) for joint in joints]]
    actions[:, [robot.joints.index(joint) for joint in joints]] = _converted(
        "action", values, names, joints, robot, measured
    )
    for arm, columns in robot.data.poses.items():
        if kinematics is None:
            raise EpisodeError(
                f"the actions of arm {arm} are poses in data.poses of {robot.name}, which this "
                "command does not convert: convert the set with dbp episodes export first"
            )
        indices = [robot.joints.index(joint) for joint in robot.arms[arm].joints]
        actions[:, indices] = joints_of_poses(
            arm, columns, values, names, states[:, indices].astype(np.float64), kinematics
        )
    return actions


def _converted(
    what: str,
    values: Floats,
    names: Sequence[str],
    joints: Sequence[str],
    robot: RobotDescription,
    measured: Floats | None = None,
) -> Floats:
    """Return the columns of joints, in [rad] and [m]. Shape (steps, joints).

    Args:
        what: `state` or `action`.
        values: The table. Shape (steps, columns).
        names: Names of its columns.
        joints: Joints of the robot.
        robot: Description of the robot.
        measured: Measured positions, to which actions of kind `delta` are added; None for states.
    """
    is_action = measured is not None
    columns = [robot.data.columns(joint)[int(is_action)] for joint in joints]
    for joint, column in zip(joints, columns, strict=True):
        if column not in names:
            guess = suggestion(column, names, f"it has {', '.join(names)}.")
            raise EpisodeError(
                f"no {what} {column!r} for {joint}{guess} Correct data in the description of "
                f"{robot.name}"
            )
    factors, offsets = (
        np.array([robot.data.conversion(joint, is_action) for joint in joints]).reshape(-1, 2).T
    )
    chosen = values[:, [names.index(column) for column in columns]].astype(np.float64)
    if measured is not None:
        deltas = np.array([robot.data.is_delta(joint) for joint in joints], bool)
        offsets = np.where(deltas, measured, offsets)
    converted: Floats = (chosen * factors + offsets).astype(np.float32)
    for index, joint in enumerate(joints):
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
