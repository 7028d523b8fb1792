"""Description of a robot: arms, limits, start pose, controllers, cameras and collision shapes.

A description is a YAML file, such as those in `config/robots/`. Every node takes its joints,
limits, controllers and cameras from it; a parameter of the node overrides a value.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cached_property

import numpy as np

from dbp_ros.errors import ConfigError
from dbp_ros.settings.data_mapping import DataMapping
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.parameter_yaml import suggestion
from dbp_ros.types import Array

NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
TOPIC = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)
# Nodes of ros2_control besides the controllers of a description.
RESERVED_NODES = ("controller_manager", "joint_state_broadcaster")
Point = tuple[float, float, float]


@dataclass(frozen=True)
class JointLimits(Settings):
    """Limits of one joint, with the names of ROS; in [rad], or [m] for a stroke."""

    min_position: float = setting(MISSING, "Smallest command [rad, m]")
    max_position: float = setting(MISSING, "Largest command [rad, m]")
    max_velocity: float = setting(MISSING, "Velocity limit [rad/s, m/s]", ge=1e-6)
    max_acceleration: float = setting(MISSING, "Acceleration limit [rad/s^2, m/s^2]", ge=1e-6)
    max_tracking_error: float = setting(
        MISSING,
        "Distance of command and measurement that latches a stop; for a gripper between the width "
        "of a grasped object and the stroke [rad, m]",
        ge=1e-6,
    )
    has_position_limits: bool = setting(True, "Must be true")
    has_velocity_limits: bool = setting(True, "Must be true")
    has_acceleration_limits: bool = setting(True, "Must be true")

    def __post_init__(self) -> None:
        """Check that all limits are present, finite and in order."""
        super().__post_init__()
        for item in fields(self):
            value = getattr(self, item.name)
            if value is False:
                raise ConfigError(f"{item.name} is false, but the guard needs this limit")
            if not math.isfinite(value):
                raise ConfigError(f"{item.name} is {value}, expected a finite number")
        if self.min_position >= self.max_position:
            raise ConfigError(
                f"min_position {self.min_position:g} is not below max_position "
                f"{self.max_position:g}"
            )


@dataclass(frozen=True)
class GripperDescription(Settings):
    """Joints of a gripper. They may be blocked by a grasped object."""

    joints: tuple[str, ...] = setting(MISSING, "Commanded joints, not those that mimic them")
    controller: str = setting("", "Forward controller; empty for that of the arm")
    closed_at_upper: tuple[str, ...] = setting(
        (), "Joints that are closed at their upper limit; others are at their lower one"
    )

    def __post_init__(self) -> None:
        """Check the names."""
        super().__post_init__()
        for joint in self.closed_at_upper:
            if joint not in self.joints:
                guess = suggestion(joint, self.joints, f"expected {', '.join(self.joints)}")
                raise ConfigError(f"closed_at_upper has {joint}, not of the gripper{guess}")

    def opening_limits(self, limits: Mapping[str, JointLimits]) -> tuple[Array, Array]:
        """Return the positions of its joints when it is closed, and open. Shapes (joints,).

        Args:
            limits: Limits by joint.
        """
        ends = [(limits[joint].min_position, limits[joint].max_position) for joint in self.joints]
        low, high = np.array(ends).T
        inverted = np.isin(self.joints, self.closed_at_upper)
        return np.where(inverted, high, low), np.where(inverted, low, high)


@dataclass(frozen=True)
class ArmDescription(Settings):
    """Joints, frames and controllers of one arm."""

    joints: tuple[str, ...] = setting(MISSING, "Joints from the base to the tip")
    controller: str = setting(MISSING, "Forward controller, commanded by the guard")
    base: str = setting(MISSING, "Link that does not move")
    tip: str = setting(MISSING, "Link of the hand, the end of the drawn path")
    homing_controller: str = setting("", "Trajectory controller for `dbp home`; empty for none")
    gripper: GripperDescription | None = setting(None, "Gripper")

    @property
    def gripper_joints(self) -> tuple[str, ...]:
        """Joints of the gripper; empty without one."""
        return self.gripper.joints if self.gripper else ()

    def controllers(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the name and the joints of each forward controller, the arm first."""
        if self.gripper is None or not self.gripper.controller:
            yield self.controller, (*self.joints, *self.gripper_joints)
        else:
            yield self.controller, self.joints
            yield self.gripper.controller, self.gripper.joints


@dataclass(frozen=True)
class CameraDescription(Settings):
    """Topics, frame and images of one camera."""

    topic: str = setting("", "Topic of raw images; empty for <camera>/image_raw")
    frame: str = setting("", "Optical frame in the URDF; empty if unknown")
    moved_by: tuple[str, ...] = setting(
        (),
        "Joints that move the camera, with the wildcard *; ! excludes. Empty for a camera that "
        "may see a static scene",
    )
    detect_frozen: bool = setting(True, "Reject images that do not change while the arms move")
    width: int = setting(
        640, "Columns of an image in MuJoCo and Gazebo with ros2_control [px]", ge=8, le=3840
    )
    height: int = setting(
        480, "Rows of an image in MuJoCo and Gazebo with ros2_control [px]", ge=8, le=2160
    )
    rate_hz: float = setting(30.0, "Images per second in Gazebo", ge=1.0, le=240.0)
    vertical_fov_deg: float = setting(48.0, "Field of view, for simulation", ge=5.0, le=150.0)


@dataclass(frozen=True)
class Capsule(Settings):
    """Set of the points within a radius of a segment, in the frame of a link."""

    start: Point = setting(MISSING, "First end of the segment [m]")
    end: Point = setting(MISSING, "Second end of the segment [m]")
    radius: float = setting(MISSING, "Radius [m]", ge=1e-4, le=2.0)


@dataclass(frozen=True, kw_only=True)
class RobotDescription(Settings):
    """Description of a robot with one or more arms.

    The order of all joint vectors is: for each arm its joints, then those of its gripper.
    """

    name: str = setting(MISSING, "Name of the robot")
    urdf: str = setting(MISSING, "URDF or xacro file, relative to this file")
    urdf_arguments: dict[str, str] = setting({}, "Arguments of the xacro file")
    arms: dict[str, ArmDescription] = setting(MISSING, "Arms by name")
    joint_limits: dict[str, JointLimits] = setting(MISSING, "Limits of every commanded joint")
    home: dict[str, float] = setting(MISSING, "Start pose for `dbp home` [rad, m]")
    home_speed: float = setting(
        0.2, "Share of the velocity and acceleration limits for `dbp home`", ge=0.01, le=1.0
    )
    command_rate_hz: float = setting(
        500.0, "Commands per second; update_rate of ros2_control", ge=10.0, le=1000.0
    )
    joint_states_topic: str = setting("joint_states", "Topic of the joint states")
    cameras: dict[str, CameraDescription] = setting(MISSING, "Cameras by name")
    collision_capsules: dict[str, tuple[Capsule, ...]] = setting(
        MISSING, "Shapes for collision checks by link"
    )
    allowed_collisions: tuple[tuple[str, str], ...] = setting(
        (), "Pairs of links that may touch, besides neighbours"
    )

    data: DataMapping = setting(
        DataMapping(), "Names and units of joints and cameras in data sets of other sources"
    )

    def __post_init__(self) -> None:
        """Check names and completeness.

        Raises:
            ConfigError: If a joint occurs twice or lacks limits or start pose, a name is unknown
                or invalid, or the start pose is beyond the limits.
        """
        super().__post_init__()
        if not self.arms:
            raise ConfigError("arms is empty, expected at least one arm")
        self._check_names()
        self._check_topics()
        _require_unique("joint", self.joints)
        _require_unique("controller", (*RESERVED_NODES, *self._all_controllers()))
        if self.command_rate_hz != round(self.command_rate_hz):
            raise ConfigError(
                f"command_rate_hz is {self.command_rate_hz:g}, expected a whole number, as "
                "update_rate of ros2_control is one"
            )
        for index, kind in enumerate(("state", "action")):
            _require_unique(f"column of the {kind}", self._data_columns(index), "data")
        _require_same_joints("joint_limits", self.joint_limits, self.joints)
        _require_same_joints("home", self.home, self.joints)
        _require_known("data.joints", self.data.joints, self.joints)
        _require_known("data.poses", self.data.poses, tuple(self.arms))
        _require_known("data.cameras", self.data.cameras, tuple(self.cameras))
        for joint, position in self.home.items():
            limits = self.joint_limits[joint]
            if not limits.min_position <= position <= limits.max_position:
                raise ConfigError(
                    f"home.{joint} is {position:g}, expected {limits.min_position:g} to "
                    f"{limits.max_position:g}"
                )

    def _data_columns(self, index: int) -> list[str]:
        """Return the columns of the state (0) or the action (1), once for fingers that share it."""
        columns: list[str] = []
        for arm in self.arms.values():
            for joints in (*((joint,) for joint in arm.joints), arm.gripper_joints):
                columns += dict.fromkeys(self.data.columns(joint)[index] for joint in joints)
        return columns

    def _all_controllers(self) -> list[str]:
        homing = (arm.homing_controller for arm in self.arms.values())
        return [*self.controllers, *filter(None, homing)]

    def _check_topics(self) -> None:
        topics = {f"cameras.{name}.topic": camera.topic for name, camera in self.cameras.items()}
        for key, topic in {**topics, "joint_states_topic": self.joint_states_topic}.items():
            if topic and not TOPIC.fullmatch(topic):
                raise ConfigError(f"{key} is {topic!r}, expected a topic name, such as /camera/raw")
            if topic.endswith("/compressed"):
                raise ConfigError(f"{key} is {topic}: give the topic of the raw images")
        if not self.joint_states_topic:
            raise ConfigError("joint_states_topic is empty, expected a topic name")

    def _check_names(self) -> None:
        named: dict[str, Iterable[str]] = {
            "name": [self.name],
            "controllers": self._all_controllers(),
            "arms": self.arms,
            "cameras": self.cameras,
        }
        for what, names in named.items():
            for name in names:
                if not NAME.fullmatch(name):
                    raise ConfigError(
                        f"{what} has {name!r}, expected letters, digits and underscores"
                    )
        for name, arm in self.arms.items():
            if not arm.joints:
                raise ConfigError(f"arms.{name}.joints is empty")

    @cached_property
    def joints(self) -> tuple[str, ...]:
        """Commanded joints in the order of all joint vectors."""
        return tuple(j for arm in self.arms.values() for j in (*arm.joints, *arm.gripper_joints))

    @property
    def gripper_joints(self) -> tuple[str, ...]:
        """Commanded joints of all grippers."""
        return tuple(joint for arm in self.arms.values() for joint in arm.gripper_joints)

    @property
    def forward_controllers(self) -> dict[str, tuple[str, ...]]:
        """Joints of each forward controller, in the order of the joints."""
        return dict(pair for arm in self.arms.values() for pair in arm.controllers())

    @property
    def controllers(self) -> tuple[str, ...]:
        """Forward controllers in the order of the joints."""
        return tuple(name for arm in self.arms.values() for name, _ in arm.controllers())

    @property
    def controller_sizes(self) -> tuple[int, ...]:
        """Number of joints of each forward controller."""
        return tuple(len(j) for arm in self.arms.values() for _, j in arm.controllers())

    @property
    def home_positions(self) -> tuple[float, ...]:
        """Start pose in [rad] and [m]."""
        return tuple(self.home[joint] for joint in self.joints)

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Names of the cameras."""
        return tuple(self.cameras)

    @property
    def camera_joints(self) -> tuple[str, ...]:
        """Setting `camera_joints` of the policy node."""
        rules = {
            name: ",".join(camera.moved_by) if camera.detect_frozen else "off"
            for name, camera in self.cameras.items()
        }
        return tuple(f"{name}={rule}" for name, rule in rules.items() if rule)

    def limits(self, name: str) -> tuple[float, ...]:
        """Return one limit of every joint, such as `max_velocity`."""
        return tuple(getattr(self.joint_limits[joint], name) for joint in self.joints)


def _require_unique(what: str, names: Iterable[str], where: str = "arms") -> None:
    seen = set[str]()
    for name in names:
        if name in seen:
            raise ConfigError(f"{what} {name} occurs twice in {where}")
        seen.add(name)


def _require_same_joints(what: str, given: Iterable[str], joints: tuple[str, ...]) -> None:
    given = tuple(given)
    _require_known(what, given, joints)
    if missing := [name for name in joints if name not in given]:
        raise ConfigError(f"{what} lacks {', '.join(missing)}")


def _require_known(what: str, given: Iterable[str], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            guess = suggestion(name, known, f"the robot has {', '.join(known)}")
            raise ConfigError(f"{what}.{name} is not of the robot{guess}")
