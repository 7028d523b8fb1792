"""Names and units of a robot's joints and cameras in data sets that others recorded."""

from dataclasses import dataclass
from math import pi
from typing import Literal

from dbp_ros.errors import ConfigError
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.pose_mapping import PoseColumns

Unit = Literal["rad", "deg", "m", "mm"]
ActionKind = Literal["absolute", "delta"]
# Factor from a unit to [rad] or [m].
FACTORS: dict[str, float] = {"rad": 1.0, "deg": pi / 180.0, "m": 1.0, "mm": 1e-3}
JOINT, CAMERA = "{joint}", "{camera}"


@dataclass(frozen=True)
class JointColumn(Settings):
    """Columns of one joint in a data set, and the conversion of their values.

    A value is converted by its unit and sign, or linearly between two ranges. An action of kind
    `delta` is added to the measured position of its row.
    """

    state: str = setting("", "Column of the state; empty for the pattern of the mapping")
    action: str = setting("", "Column of the action; empty for that of the state")
    unit: Unit | None = setting(None, "Unit; that of the mapping if not given")
    sign: int = setting(1, "-1 if the joint turns in the opposite direction", ge=-1, le=1)
    data_range: tuple[float, float] | None = setting(None, "Two values in the data")
    robot_range: tuple[float, float] | None = setting(
        None, "Two values in [rad] or [m] that correspond to data_range"
    )
    action_range: tuple[float, float] | None = setting(
        None, "Two values of the action in the data for robot_range, such as [1, -1]"
    )
    action_kind: ActionKind | None = setting(
        None, "absolute or delta; that of the mapping if not given"
    )

    def __post_init__(self) -> None:
        """Check values that depend on each other."""
        super().__post_init__()
        if self.sign == 0:
            raise ConfigError("sign is 0, expected 1 or -1")
        ranges = self.data_range is not None or self.action_range is not None
        if ranges != (self.robot_range is not None):
            raise ConfigError("expected robot_range with data_range or action_range, or none")
        for name in ("data_range", "robot_range", "action_range"):
            ends = getattr(self, name)
            if ends is not None and ends[0] == ends[1]:
                raise ConfigError(f"{name} is {ends}, expected two different values")
        if self.data_range is not None and (self.unit is not None or self.sign != 1):
            raise ConfigError("expected data_range and robot_range, or unit and sign, not both")

    def conversion(self, unit: str, is_action: bool = False) -> tuple[float, float]:
        """Return factor and offset from the data to [rad] or [m].

        Args:
            unit: Unit of the mapping.
            is_action: Whether for the column of the action instead of that of the state.
        """
        data_range = (self.action_range if is_action else None) or self.data_range
        if data_range is None or self.robot_range is None:
            return self.sign * FACTORS[self.unit or unit], 0.0
        (data_low, data_high), (low, high) = data_range, self.robot_range
        factor = (high - low) / (data_high - data_low)
        return factor, low - factor * data_low


@dataclass(frozen=True)
class DataMapping(Settings):
    """Names and units in data sets of a robot; the defaults are the robot's own."""

    state: str = setting(JOINT, "Pattern of the columns of the state")
    action: str = setting("", "Pattern of the columns of the action; empty for that of the state")
    unit: Unit = setting("rad", "Unit of joints without an item; a gripper may need a range")
    action_kind: ActionKind = setting(
        "absolute", "Meaning of actions: positions, or deltas that are added to the measured ones"
    )
    joints: dict[str, JointColumn] = setting({}, "Joints that differ from this")
    poses: dict[str, PoseColumns] = setting(
        {}, "Actions that are poses of hands instead of positions of the arm's joints: by arm"
    )
    camera: str = setting(CAMERA, "Pattern of the names of the cameras")
    cameras: dict[str, str] = setting({}, "Cameras that differ from this: camera of the robot: key")

    def __post_init__(self) -> None:
        """Check the patterns."""
        super().__post_init__()
        for name, part in (("state", JOINT), ("action", JOINT), ("camera", CAMERA)):
            pattern = getattr(self, name)
            if pattern and part not in pattern:
                raise ConfigError(f"{name} is {pattern!r}, expected a pattern with {part}")

    def columns(self, joint: str) -> tuple[str, str]:
        """Return the columns of a joint in the state and in the action."""
        item = self.joints.get(joint, JointColumn())
        state = item.state or self.state.replace(JOINT, joint)
        pattern = self.action.replace(JOINT, joint)
        return state, item.action or pattern or state

    def conversion(self, joint: str, is_action: bool = False) -> tuple[float, float]:
        """Return factor and offset of a joint from the data to [rad] or [m]; see `JointColumn`."""
        return self.joints.get(joint, JointColumn()).conversion(self.unit, is_action)

    def is_delta(self, joint: str) -> bool:
        """Return whether the action of a joint is added to its measured position."""
        item = self.joints.get(joint, JointColumn())
        return (item.action_kind or self.action_kind) == "delta"

    def unit_of(self, joint: str) -> str:
        """Return the unit of a joint in the data; empty if it is converted between two ranges."""
        item = self.joints.get(joint, JointColumn())
        return "" if item.data_range else item.unit or self.unit

    def key_of(self, camera: str) -> str:
        """Return the key of a camera in the data."""
        return self.cameras.get(camera, self.camera.replace(CAMERA, camera))
