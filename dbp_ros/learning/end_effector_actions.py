"""Actions of a network in the space of the end effectors, for a robot that takes joint positions.

The data set, the exported graphs and the robot have joint positions. Only the network has poses:
forward kinematics converts its targets, and inverse kinematics in the exported graph its output.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from dbp_ros.data.units import METRES, UNKNOWN, ColumnUnits
from dbp_ros.errors import TrainingError
from dbp_ros.learning.arm_kinematics import ArmKinematics
from dbp_ros.learning.normaliser import ActionColumn, Normaliser
from dbp_ros.robots.arm_chain import ArmChain

# Position, and the first two columns of the rotation matrix: Y. Zhou et al., "On the Continuity of
# Rotation Representations in Neural Networks", arXiv 1812.07035.
POSITION = ("x", "y", "z")
ROTATION = ("r11", "r21", "r31", "r12", "r22", "r32")
POSE_SIZE = len(POSITION) + len(ROTATION)
# Of a homogeneous transformation.
LAST_ROW = torch.tensor([0.0, 0.0, 0.0, 1.0])


class EndEffectorNormaliser(Normaliser):
    """Scales of poses of the end effectors, followed by the actions of all other joints.

    A pose is that of the tip in the frame of the arm's base, or in the frame of the measured tip.
    """

    measured_columns: Tensor
    commanded_columns: Tensor
    other_columns: Tensor
    order: Tensor

    def __init__(
        self,
        arms: Sequence[ArmChain],
        state_names: Sequence[str],
        action_names: Sequence[str],
        horizon: int,
        relative: bool,
    ) -> None:
        """Build the identity; see `Normaliser.fit`.

        Args:
            arms: Chains of all arms.
            state_names: Columns of the states, with all joints of the arms.
            action_names: Columns of the actions, with all joints of the arms.
            horizon: Points of a chunk.
            relative: Whether poses are in the frame of the measured tip.

        Raises:
            TrainingError: If there are no arms, or a joint of one is not in states and actions.
        """
        if not arms:
            raise TrainingError(
                "action_space is end_effector, which needs the arms of the robot: give --robot "
                "with its description"
            )
        in_arms = {joint for arm in arms for joint in arm.joints}
        others = [name for name in action_names if name not in in_arms]
        super().__init__(len(state_names), POSE_SIZE * len(arms) + len(others), horizon)
        self.kinematics = ArmKinematics(arms)
        self._arms, self._others, self._relative = tuple(arms), tuple(others), relative
        measured = _columns("states", arms, state_names, self.kinematics.num_joints)
        commanded = _columns("actions", arms, action_names, self.kinematics.num_joints)
        other = [action_names.index(name) for name in others]
        solved = [*(column for arm in commanded for column in arm), *other]
        order = [solved.index(column) for column in range(len(action_names))]
        for name, columns in (
            ("measured_columns", measured),
            ("commanded_columns", commanded),
            ("other_columns", other),
            ("order", order),
        ):
            self.register_buffer(name, torch.tensor(columns, dtype=torch.int64), persistent=False)

    def offsets(self, actions: Tensor, measured: Tensor) -> Tensor:
        """Return poses and the actions of other joints for joint positions."""
        poses = self.kinematics.poses(actions[..., self.commanded_columns])
        if self._relative:
            poses = _inverse(self._tips(measured)) @ poses
        rotation = poses[..., :3, :2].transpose(-1, -2).flatten(-2)
        described = torch.cat([poses[..., :3, 3], rotation], dim=-1).flatten(-2)
        return torch.cat([described, actions[..., self.other_columns]], dim=-1)

    def restored(self, offsets: Tensor, measured: Tensor) -> Tensor:
        """Return joint positions for poses and the actions of other joints."""
        split = POSE_SIZE * len(self._arms)
        poses = _pose(torch.unflatten(offsets[..., :split], -1, (-1, POSE_SIZE)))
        if self._relative:
            poses = self._tips(measured) @ poses
        initial = measured[..., self.measured_columns].unsqueeze(-3).expand(*poses.shape[:-2], -1)
        joints = self.kinematics.solve(poses, initial).flatten(-2)
        return torch.cat([joints, offsets[..., split:]], dim=-1)[..., self.order]

    def action_columns(self, action_names: Sequence[str], units: ColumnUnits) -> list[ActionColumn]:
        """Return the columns of an action before scaling."""
        meaning = "relative_to_measured" if self._relative else "in_frame_of_base"
        poses = [
            ActionColumn(f"{arm.name}.{name}", METRES if name in POSITION else UNKNOWN, meaning)
            for arm in self._arms
            for name in (*POSITION, *ROTATION)
        ]
        return poses + [ActionColumn(name, units.of(name), "absolute") for name in self._others]

    def _tips(self, measured: Tensor) -> Tensor:
        """Return the poses of the measured tips, with an axis for the chunk.

        Args:
            measured: Shape (..., ns).

        Returns:
            Shape (..., 1, arms, 4, 4).
        """
        return self.kinematics.poses(measured[..., self.measured_columns]).unsqueeze(-4)


def _columns(
    what: str, arms: Sequence[ArmChain], names: Sequence[str], num_joints: int
) -> list[list[int]]:
    """Return the columns of the joints of each arm; an additional joint has any column."""
    for arm in arms:
        if missing := [joint for joint in arm.joints if joint not in names]:
            raise TrainingError(
                f"action_space is end_effector, but the {what} lack {missing[0]} of arm "
                f"{arm.name}: give --robot with the description of this robot and its data"
            )
    columns = [[names.index(joint) for joint in arm.joints] for arm in arms]
    return [found + found[:1] * (num_joints - len(found)) for found in columns]


def _inverse(pose: Tensor) -> Tensor:
    """Return the inverse of a rigid motion. Shape (..., 4, 4)."""
    rotation = pose[..., :3, :3].transpose(-1, -2)
    return _motion(rotation, -(rotation @ pose[..., :3, 3:])[..., 0])


def _pose(described: Tensor) -> Tensor:
    """Return the pose of a position and two columns of a rotation, which need not be orthonormal.

    Args:
        described: Shape (..., 9).

    Returns:
        Shape (..., 4, 4).
    """
    position, first, second = torch.split(described, 3, dim=-1)
    first = functional.normalize(first, dim=-1)
    second = functional.normalize(second - (first * second).sum(-1, keepdim=True) * first, dim=-1)
    third = torch.linalg.cross(first, second)
    return _motion(torch.stack([first, second, third], dim=-1), position)


def _motion(rotation: Tensor, translation: Tensor) -> Tensor:
    """Return homogeneous transformations. Shape (..., 4, 4)."""
    upper = torch.cat([rotation, translation[..., None]], dim=-1)
    return torch.cat([upper, torch.zeros_like(upper[..., :1, :]) + LAST_ROW.to(upper)], dim=-2)
