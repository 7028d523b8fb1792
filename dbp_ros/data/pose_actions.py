"""Actions that are poses of hands, as positions of the joints of a robot's arms."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from dbp_ros.data.rotations import inverse_poses, pose_matrices, rotation_matrices
from dbp_ros.errors import EpisodeError
from dbp_ros.settings.data_mapping import FACTORS
from dbp_ros.settings.pose_mapping import PoseColumns
from dbp_ros.types import Array, Floats


class HandKinematics(Protocol):
    """Forward and inverse kinematics of the arms of a robot.

    Poses are homogeneous transformations in the frame of the arm's base. Joints are in [rad] and
    [m], shape (steps, joints of the arm).
    """

    def tips(self, arm: str, joints: Array) -> Array:
        """Return the poses of the tip. Shape (steps, 4, 4)."""

    def frame(self, arm: str, link: str) -> Array:
        """Return the pose of a link that does not move. Shape (4, 4)."""

    def solve(self, arm: str, poses: Array, joints: Array) -> Array:
        """Return the joints, within their limits, whose tip is closest to poses.

        Args:
            arm: Name of the arm.
            poses: Shape (steps, 4, 4).
            joints: Initial positions.
        """


# Returns the kinematics of a description, by its name or file.
KinematicsOf = Callable[[str], HandKinematics]


def joints_of_poses(
    arm: str,
    columns: PoseColumns,
    actions: Floats,
    action_names: Sequence[str],
    measured: Array,
    kinematics: HandKinematics,
) -> Array:
    """Return the joints whose tip has the poses of the action.

    Args:
        arm: Name of the arm.
        columns: Columns of the action.
        actions: Shape (steps, columns).
        action_names: Names of their columns.
        measured: Measured joints of the arm. Shape (steps, joints).
        kinematics: Of the robot.

    Returns:
        Shape (steps, joints).

    Raises:
        EpisodeError: If a column is missing, a rotation is invalid, or a pose is out of reach.
    """
    missing = [name for name in columns.columns if name not in action_names]
    if missing:
        raise EpisodeError(
            f"no action {missing[0]!r} for the hand of arm {arm}; it has {', '.join(action_names)}."
            f" Correct data.poses.{arm} of the description"
        )
    recorded = _recorded(columns, actions, action_names)
    base = kinematics.frame(arm, columns.frame) if columns.frame else np.eye(4)
    roll_pitch_yaw = rotation_matrices(np.array(columns.offset_rpy), "euler_xyz")
    offset = pose_matrices(np.array(columns.offset), roll_pitch_yaw)
    if columns.kind == "delta":
        hands = inverse_poses(base) @ kinematics.tips(arm, measured) @ inverse_poses(offset)
        recorded = _moved(hands, recorded, columns.delta_frame)
    poses = base @ recorded @ offset
    joints = kinematics.solve(arm, poses, measured)
    _check_reached(arm, columns, poses, kinematics.tips(arm, joints))
    return joints


def _recorded(columns: PoseColumns, actions: Floats, names: Sequence[str]) -> Array:
    """Return the recorded poses, or their changes, in [m]. Shape (steps, 4, 4)."""
    position, rotation = (
        actions[:, [names.index(name) for name in part]].astype(np.float64)
        for part in (columns.position, columns.rotation_columns)
    )
    position *= columns.position_scale * FACTORS[columns.unit]
    rotation *= columns.rotation_scale
    return pose_matrices(position, rotation_matrices(rotation, columns.rotation))


def _moved(hands: Array, changes: Array, axes: str) -> Array:
    """Return poses after changes along the axes of the frame, or of the hands."""
    if axes == "hand":
        moved: Array = hands @ changes
        return moved
    positions = hands[:, :3, 3] + changes[:, :3, 3]
    return pose_matrices(positions, changes[:, :3, :3] @ hands[:, :3, :3])


def _check_reached(arm: str, columns: PoseColumns, poses: Array, tips: Array) -> None:
    distance = np.linalg.norm(poses[:, :3, 3] - tips[:, :3, 3], axis=-1)
    chord = np.linalg.norm(poses[:, :3, :3] - tips[:, :3, :3], axis=(-2, -1))
    angle = 2.0 * np.arcsin(np.minimum(chord / np.sqrt(8.0), 1.0))
    away = (distance > columns.tolerance_m) | (angle > columns.tolerance_rad)
    if not away.any():
        return
    worst = int(
        np.argmax(np.maximum(distance / columns.tolerance_m, angle / columns.tolerance_rad))
    )
    raise EpisodeError(
        f"the hand of arm {arm} does not reach {away.sum()} of {len(away)} poses of the action "
        f"within the limits of the joints: at step {worst} it is {1e3 * distance[worst]:.1f} mm "
        f"and {angle[worst]:.3f} rad away, allowed are {1e3 * columns.tolerance_m:g} mm and "
        f"{columns.tolerance_rad:g} rad: check frame, offset, units and rotation in data.poses."
        f"{arm} of the description, or discard or trim the episode"
    )
