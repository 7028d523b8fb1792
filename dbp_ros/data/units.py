"""Units of the columns of a data set: of a robot, as chosen, or by name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dbp_ros.data.selection import AS_RECORDED, FROM_NAMES, Selection
from dbp_ros.settings.data_mapping import FACTORS
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.settings.robot_files import read_robot

RADIANS, METRES, UNKNOWN = "rad", "m", ""
# Opening of a gripper above which its values cannot be in [m].
LARGEST_OPENING_M = 0.3
SI = {"rad": RADIANS, "deg": RADIANS, "m": METRES, "mm": METRES}

GRIPPER = re.compile(r"gripper|finger|thumb|jaw", re.IGNORECASE)
ARM = re.compile(
    r"joint|shoulder|elbow|wrist|waist|forearm|motor|servo|qpos|\.pos$|(^|[_.])[jq]_?\d+$",
    re.IGNORECASE,
)
# Quantities of a joint other than its position, and poses of a hand. Short ones are whole words,
# also in camel case: `wristPose` is a pose, `swivel` no velocity.
OTHER_QUANTITY = re.compile(
    r"(?i:velocit|speed|effort|torque|current|force|accel|quaternion)"
    r"|((?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))"
    r"(?i:(q|ang|lin|joint|motor)?vel(s|o)?|accs?|cos(ines?)?|sin(es?|cos)?|poses?|quats?|eef|ee)"
    r"(?![a-z])"
)


def looks_like_gripper(column: str) -> bool:
    """Return whether the name of a column suggests the position of a gripper or a finger."""
    return bool(GRIPPER.search(column)) and not OTHER_QUANTITY.search(column)


def looks_like_arm_joint(column: str) -> bool:
    """Return whether the name of a column suggests the position of an arm's joint."""
    names_joint = ARM.search(column) and not GRIPPER.search(column)
    return bool(names_joint) and not OTHER_QUANTITY.search(column)


@dataclass(frozen=True)
class ColumnUnits:
    """Units of columns: [rad] or [m], or unknown.

    Attributes:
        joints: Units of a robot's joints.
        grippers: Joints of the robot's grippers, whose actions are absolute, also if they turn.
        arm_unit: Unit of columns that look like joints of an arm, see `Selection.units`.
        gripper_unit: The same for grippers, see `Selection.gripper_units`.
    """

    joints: Mapping[str, str] = field(default_factory=dict)
    grippers: tuple[str, ...] = ()
    arm_unit: str = FROM_NAMES
    gripper_unit: str = FROM_NAMES

    @classmethod
    def of_selection(cls, selection: Selection) -> "ColumnUnits":
        """Return the units after reading a data set with a selection."""
        if selection.robot:
            robot = read_robot(selection.robot)
            units = {joint: _unit_of_joint(robot, joint) for joint in robot.joints}
            return cls(units, robot.gripper_joints)
        return cls(arm_unit=selection.units, gripper_unit=selection.gripper_units)

    @classmethod
    def of_robot(cls, robot: str) -> "ColumnUnits":
        """Return the units of the joints of a description; by name if `robot` is empty."""
        return cls.of_selection(Selection(robot=robot))

    def of(self, column: str) -> str:
        """Return the unit of a column after reading; empty if it is unknown."""
        if column in self.joints:
            return self.joints[column]
        if self.arm_unit == AS_RECORDED:
            return UNKNOWN
        if looks_like_gripper(column):
            # Names of the simulated cell, and of the robots that ship with the package.
            named = METRES if column.endswith("gripper_joint") else UNKNOWN
            return SI.get(self.gripper_unit, named)
        is_position = column.endswith("joint") and not OTHER_QUANTITY.search(column)
        named = RADIANS if is_position else UNKNOWN
        chosen = looks_like_arm_joint(column) and self.arm_unit != FROM_NAMES
        return SI[self.arm_unit] if chosen else named

    def is_gripper(self, column: str) -> bool:
        """Return whether a column is the position of a gripper."""
        return column in self.grippers if self.joints else looks_like_gripper(column)

    def factor(self, column: str) -> float:
        """Return the factor from the data to the unit after reading."""
        if self.arm_unit == AS_RECORDED:
            return 1.0
        if looks_like_gripper(column):
            return FACTORS.get(self.gripper_unit, 1.0)
        return FACTORS.get(self.arm_unit, 1.0) if looks_like_arm_joint(column) else 1.0

    @property
    def converts(self) -> bool:
        """Whether reading changes the values of any column."""
        return any(FACTORS.get(unit, 1.0) != 1.0 for unit in (self.arm_unit, self.gripper_unit))

    def reason(self, column: str) -> str:
        """Return what determines the unit of a column."""
        if column in self.joints:
            return "from the description of the robot"
        gripper = looks_like_gripper(column)
        chosen = self.gripper_unit if gripper else self.arm_unit
        if self.arm_unit == AS_RECORDED:
            return f"as chosen by --units {AS_RECORDED}"
        if self.of(column) == UNKNOWN:
            return "its name does not determine a unit"
        if chosen == FROM_NAMES:
            return "by its name"
        flag = "gripper-units" if gripper else "units"
        converted = "" if FACTORS[chosen] == 1 else f", converted to {self.of(column)}"
        return f"as chosen by --{flag} {chosen}{converted}"


def _unit_of_joint(robot: RobotDescription, joint: str) -> str:
    """Return the unit of a joint; a gripper with a range too large for [m] turns.

    An arm joint moves in [m] if its data does, as that of a rail.
    """
    if robot.data.unit_of(joint) in ("m", "mm"):
        return METRES
    limits = robot.joint_limits[joint]
    travel = limits.max_position - limits.min_position
    opens = joint in robot.gripper_joints and travel <= LARGEST_OPENING_M
    return METRES if opens else RADIANS


BY_NAME = ColumnUnits()
