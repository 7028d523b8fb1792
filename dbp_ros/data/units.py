"""Units of the columns of a data set."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dbp_ros.settings.robot_files import read_robot

RADIANS, METRES, UNKNOWN = "rad", "m", ""


@dataclass(frozen=True)
class ColumnUnits:
    """Units by column: [rad] of an arm's joint, [m] of a gripper, or unknown.

    Attributes:
        joints: Units of a robot's joints. A gripper counts as [m], also if it turns: its actions
            are absolute.
    """

    joints: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_robot(cls, robot: str) -> "ColumnUnits":
        """Return the units of the joints of a description; by name if `robot` is empty."""
        if not robot:
            return cls()
        description = read_robot(robot)
        grippers = description.gripper_joints
        return cls({j: METRES if j in grippers else RADIANS for j in description.joints})

    def of(self, column: str) -> str:
        """Return the unit of a column, by its name if it is none of the robot's joints."""
        if column in self.joints:
            return self.joints[column]
        if "gripper" in column:
            return METRES
        return RADIANS if column.endswith("joint") else UNKNOWN


BY_NAME = ColumnUnits()
