"""Kinematic chain of one arm, as constants that a model can store."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dbp_ros.errors import ConfigError
from dbp_ros.robots.check import urdf_of
from dbp_ros.robots.urdf import Joint
from dbp_ros.settings.robot import ArmDescription, RobotDescription
from dbp_ros.settings.robot_files import read_robot
from dbp_ros.types import Array

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class ArmChain:
    """Chain from the base of an arm to its tip.

    Attributes:
        name: Name of the arm.
        joints: Its joints from the base to the tip.
        offsets: Pose of each joint in the frame of the joint before it, at zero, and of the tip in
            the frame of the last joint: the rows of 4x4 matrices. Lengths 16 * (joints + 1).
        axes: Axis of each joint in its own frame. Length 3 * joints.
        prismatic: Whether each joint slides.
        lower: Smallest command of each joint in [rad] or [m].
        upper: Largest command.
    """

    name: str
    joints: tuple[str, ...]
    offsets: Numbers
    axes: Numbers
    prismatic: tuple[bool, ...]
    lower: Numbers
    upper: Numbers

    def offset_matrices(self) -> Array:
        """Return the offsets. Shape (joints + 1, 4, 4)."""
        return np.array(self.offsets).reshape(-1, 4, 4)

    def axis_vectors(self) -> Array:
        """Return the axes. Shape (joints, 3)."""
        return np.array(self.axes).reshape(-1, 3)


def arm_chains(robot: str) -> tuple[ArmChain, ...]:
    """Return the chains of all arms of a robot.

    Args:
        robot: Name of a description in `config/robots/`, or the path of a file.

    Raises:
        ConfigError: If the description or its URDF is invalid, or the chain of an arm has other
            moving joints than those of the description.
    """
    description, urdf = read_robot(robot), urdf_of(robot)
    return tuple(
        _arm_chain(name, arm, urdf.chain(arm.base, arm.tip), description)
        for name, arm in description.arms.items()
    )


def _arm_chain(
    name: str, arm: ArmDescription, joints: Sequence[Joint], robot: RobotDescription
) -> ArmChain:
    moving = [joint for joint in joints if joint.moves]
    found = tuple(joint.name for joint in moving)
    if found != tuple(arm.joints) or any(joint.mimic for joint in moving):
        raise ConfigError(
            f"arm {name} has the joints {', '.join(arm.joints)}, but {', '.join(found) or 'none'} "
            f"move between {arm.base} and {arm.tip} in the URDF: correct base, tip or joints"
        )
    limits = [robot.joint_limits[joint] for joint in arm.joints]
    return ArmChain(
        name=name,
        joints=found,
        offsets=_numbers(_offsets(joints)),
        axes=_numbers(np.array([joint.axis for joint in moving])),
        prismatic=tuple(joint.kind == "prismatic" for joint in moving),
        lower=tuple(limit.min_position for limit in limits),
        upper=tuple(limit.max_position for limit in limits),
    )


def _offsets(joints: Sequence[Joint]) -> Array:
    """Return the product of the origins up to each moving joint, and after the last one."""
    offsets, offset = [], np.eye(4)
    for joint in joints:
        offset = offset @ joint.origin
        if joint.moves:
            offsets.append(offset)
            offset = np.eye(4)
    return np.array([*offsets, offset])


def _numbers(values: Array) -> Numbers:
    return tuple(float(value) for value in values.ravel())
