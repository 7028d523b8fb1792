"""Settings of the teleoperation node."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from dbp_ros.errors import ConfigError
from dbp_ros.settings.controllers import RobotConfig
from dbp_ros.settings.fields import setting
from dbp_ros.settings.parameter_yaml import suggestion
from dbp_ros.settings.process import SimClockConfig
from dbp_ros.settings.robot import RobotDescription

# Motions of a hand by an axis of a gamepad, in the order of a twist, and the gripper.
HAND_AXES = ("x", "y", "z", "roll", "pitch", "yaw")
AXES = (*HAND_AXES, "gripper")
BUTTONS = (
    *("take_over", "give_back", "next_arm", "arm_1", "arm_2", "open_gripper", "close_gripper"),
    "slow",
)
LEADER_RULE = re.compile(
    r"(?P<leader>[^=]+)=(?P<joint>[^*+]+?)(\*(?P<scale>[^+]+))?(\+(?P<offset>.+))?"
)


class LeaderJoint(NamedTuple):
    """Joint of a leader arm: the robot's joint is at `scale` times its position plus `offset`."""

    leader: str
    joint: str
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class TeleopConfig(RobotConfig, SimClockConfig):
    """Settings of the teleoperation node, which publishes the chunks of an operator."""

    teleop_rate_hz: float = setting(100.0, "Chunks per second", ge=20.0, le=500.0)
    velocity_share: float = setting(
        0.5, "Share of the joints' velocity limits for teleoperation", ge=0.01, le=1.0
    )
    acceleration_share: float = setting(
        0.5, "Share of the joints' acceleration limits for teleoperation", ge=0.01, le=1.0
    )
    hand_speed: float = setting(0.25, "Largest speed of a hand [m/s]", ge=0.005, le=2.0)
    hand_turn_speed: float = setting(
        1.0, "Largest angular speed of a hand [rad/s]", ge=0.02, le=6.0
    )
    gripper_speed: float = setting(
        1.0, "Speed of a gripper by buttons or an axis, in opening shares [1/s]", ge=0.05, le=10.0
    )
    input_timeout_s: float = setting(
        0.5, "Time without any input after which the arms are held", ge=0.05, le=5.0
    )
    twist_timeout_s: float = setting(
        0.2, "Time after which a twist, or the pose of a leader arm, ends", ge=0.02, le=2.0
    )
    leader_joints: tuple[str, ...] = setting(
        (),
        "Joints of the leader arm as leader=joint, leader=joint*scale or "
        "leader=joint*scale+offset; empty if the names are those of the robot",
    )
    leader_align_share: float = setting(
        0.15, "Share of the velocity limits until the arms are at the leader", ge=0.01, le=1.0
    )
    gamepad_axes: tuple[str, ...] = setting(
        ("x=1", "y=0", "z=4", "yaw=3", "pitch=7", "roll=6"),
        f"Axes on the topic joy as motion=number, motion=-number reversed; {', '.join(AXES)}",
    )
    gamepad_buttons: tuple[str, ...] = setting(
        (
            *("close_gripper=0", "open_gripper=1", "next_arm=3", "arm_1=4", "arm_2=5"),
            *("give_back=6", "take_over=7"),
        ),
        f"Buttons on the topic joy as action=number; {', '.join(BUTTONS)}",
    )
    gamepad_deadzone: float = setting(
        0.12, "Share of an axis around its centre without effect", ge=0.0, le=0.9
    )
    cpu_affinity: tuple[int, ...] = setting(
        (), "Cores to run on; empty for the plan of runtime/cpu_affinity.py", ge=0
    )

    def axes(self) -> dict[str, tuple[int, float]]:
        """Return number and sign of the axis of each motion.

        Raises:
            ConfigError: If an item of `gamepad_axes` is invalid.
        """
        found: dict[str, tuple[int, float]] = {}
        for item in self.gamepad_axes:
            name, _, number = item.partition("=")
            sign = -1.0 if number.startswith("-") else 1.0
            _check_item("gamepad_axes", item, name, number.removeprefix("-"), AXES, found)
            found[name] = (int(number.removeprefix("-")), sign)
        return found

    def buttons(self) -> dict[str, int]:
        """Return the number of the button of each action.

        Raises:
            ConfigError: If an item of `gamepad_buttons` is invalid.
        """
        found: dict[str, int] = {}
        for item in self.gamepad_buttons:
            name, _, number = item.partition("=")
            _check_item("gamepad_buttons", item, name, number, BUTTONS, found)
            if int(number) in found.values():
                raise ConfigError(f"gamepad_buttons has button {number} twice: give it one action")
            found[name] = int(number)
        return found

    def leader(self) -> tuple[LeaderJoint, ...]:
        """Return the mapping of the leader's joints.

        Raises:
            ConfigError: If an item of `leader_joints` is invalid.
        """
        return tuple(map(_leader_joint, self.leader_joints))


def check_teleop(config: TeleopConfig, robot: RobotDescription) -> None:
    """Check the tables of the settings, and their joints.

    Raises:
        ConfigError: If an item is invalid or names a joint that the robot lacks.
    """
    config.axes()
    config.buttons()
    joints = [item.joint for item in config.leader()]
    for joint in joints:
        if joint not in robot.joints:
            guess = suggestion(joint, robot.joints, f"expected {', '.join(robot.joints)}")
            raise ConfigError(f"leader_joints has {joint}, not of the robot{guess}")
        if joints.count(joint) > 1:
            raise ConfigError(f"leader_joints moves {joint} twice: name one joint of the leader")


def _check_item(
    setting_name: str, item: str, name: str, number: str, names: tuple[str, ...], found: object
) -> None:
    if name not in names or not number.isdecimal():
        raise ConfigError(
            f"{setting_name} has {item!r}, expected name=number with one of {', '.join(names)}"
        )
    if isinstance(found, dict) and name in found:
        raise ConfigError(f"{setting_name} has {name} twice")


def _leader_joint(item: str) -> LeaderJoint:
    if match := LEADER_RULE.fullmatch(item):
        try:
            scale, offset = (float(match[name] or k) for name, k in (("scale", 1), ("offset", 0)))
            return LeaderJoint(match["leader"].strip(), match["joint"].strip(), scale, offset)
        except ValueError:
            pass
    raise ConfigError(
        f"leader_joints has {item!r}, expected leader=joint, such as "
        "shoulder_pan=left_shoulder_pan*-1+1.57"
    )
