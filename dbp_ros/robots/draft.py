"""First description of a robot, from its URDF."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from dbp_ros.robots.arms import Arm, find_arms
from dbp_ros.robots.collision import CollisionModel
from dbp_ros.robots.shapes import capsules_of
from dbp_ros.robots.urdf import Joint, Urdf
from dbp_ros.settings.robot import NAME, Capsule

OPTICAL_FRAME = "_optical_frame"
# Names that YAML reads as strings without quotes.
PLAIN = re.compile(
    r"(?!(on|off|yes|no|y|n|true|false|null)$)[a-z_/.][\w./-]*", re.ASCII | re.IGNORECASE
)
# Time in which a joint reaches its velocity limit, in [s].
REACH_VELOCITY_S = 0.25
ARM_ERROR = 0.25
# Position and velocity limits of a joint without any, in [rad] and [rad/s].
NO_POSITION_LIMIT, NO_VELOCITY_LIMIT = 2 * math.pi, 1.0


def draft_description(
    urdf: Urdf, path: Path, name: str, urdf_name: str, arguments: Mapping[str, str] | None = None
) -> str:
    """Return the YAML of a first description; what it guesses is marked by `check:`.

    Args:
        urdf: The robot.
        path: Its file, for the paths of meshes.
        name: Name of the robot.
        urdf_name: Path of the URDF, relative to the description.
        arguments: Arguments of the xacro file.

    Raises:
        ConfigError: If the URDF has no arm.
    """
    arms = find_arms(urdf)
    joints = [joint for arm in arms for joint in (*arm.joints, *arm.gripper)]
    grippers = {joint.name for arm in arms for joint in arm.gripper}
    home = {joint.name: _middle(joint) for joint in joints}
    shapes = {link: capsules_of(urdf, link, path.parent) for link in urdf.links}
    capsules = {link: found.capsules for link, found in shapes.items() if found.capsules}
    guessed = [link for link, found in shapes.items() if found.guessed]
    lines = [
        f"# First description of {name} from {path.name}. Edit what is marked by `check:`, then:",
        "# dbp robot check FILE; dbp demo --robot FILE",
        f"name: {name}",
        f"urdf: {_quoted(urdf_name)}",
        *(["urdf_arguments:"] if arguments else []),
        *(f"  {_quoted(key)}: {json.dumps(value)}" for key, value in (arguments or {}).items()),
        "",
        "# All joint vectors have the order of the arms below, each with its gripper last.",
        "# check: arms and grippers, found by the branches of the URDF and the names of joints;",
        "# controllers of ros2_control that forward positions",
        "arms:",
        *(line for arm in arms for line in _arm_lines(arm)),
        "",
        "# Rate of commands, and update_rate of ros2_control [Hz]. check: that of your driver",
        "command_rate_hz: 100.0",
        "",
        "# In [rad] and [m]; positions and velocities of the URDF.",
        "# check: accelerations and tracking errors are guesses, as a URDF does not contain them",
        "joint_limits:",
        *(line for joint in joints for line in _limit_lines(joint, joint.name in grippers)),
        "",
        "# Start pose for `dbp home`. check: the middle of each joint, or 0",
        "home:",
        *(f"  {_quoted(joint)}: {_text(position)}" for joint, position in home.items()),
        "home_speed: 0.2",
        "",
        "joint_states_topic: joint_states",
        *_camera_lines(urdf, [joint.name for joint in joints]),
        "",
        *_data_lines(joints[0].name),
        "",
        "# Capsules in the frames of the links [m], about the size of the collision geometry.",
        *([f"# check: guesses for {', '.join(guessed)}: no readable mesh"] if guessed else []),
        "collision_capsules:" if capsules else "collision_capsules: {}",
        *(line for link, found in capsules.items() for line in _capsule_lines(link, found)),
    ]
    model = CollisionModel(urdf, list(home), capsules)
    if pairs := model.overlaps(np.array(list(home.values()))):
        lines += ["# Pairs whose capsules overlap in the start pose. check: can they touch?"]
        lines += ["allowed_collisions:", *(f"  - [{_quoted(a)}, {_quoted(b)}]" for a, b in pairs)]
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    """Return a name as a string of YAML: `1` or `on` would be read as another type."""
    return name if PLAIN.fullmatch(name) else json.dumps(name)


def _arm_lines(arm: Arm) -> Iterator[str]:
    yield f"  {arm.name}:"
    yield f"    base: {_quoted(arm.base)}"
    yield f"    tip: {_quoted(arm.tip)}"
    yield "    joints:"
    yield from (f"      - {_quoted(joint.name)}" for joint in arm.joints)
    yield f"    controller: {arm.name}_forward_position_controller"
    yield f"    homing_controller: {arm.name}_joint_trajectory_controller"
    if arm.gripper:
        yield "    gripper:"
        yield f"      joints: [{', '.join(_quoted(joint.name) for joint in arm.gripper)}]"
        yield f"      controller: {arm.name}_gripper_controller"


def _limits(joint: Joint) -> tuple[float, float, float]:
    bounded = math.isfinite(joint.lower) and math.isfinite(joint.upper)
    bounded &= joint.lower < joint.upper
    low, high = (joint.lower, joint.upper) if bounded else (-NO_POSITION_LIMIT, NO_POSITION_LIMIT)
    known = math.isfinite(joint.velocity)
    return low, high, joint.velocity if known else NO_VELOCITY_LIMIT


def _limit_lines(joint: Joint, is_gripper: bool) -> Iterator[str]:
    low, high, velocity = _limits(joint)
    error = 0.8 * (high - low) if is_gripper else min(ARM_ERROR, 0.5 * (high - low))
    yield f"  {_quoted(joint.name)}:"
    yield (
        f"    {{min_position: {_text(low)}, max_position: {_text(high)}, "
        f"max_velocity: {_text(velocity)}, "
        f"max_acceleration: {velocity / REACH_VELOCITY_S:g},"
    )
    yield f"     max_tracking_error: {error:g}}}"
    unknown = ["velocity"] if joint.velocity == math.inf else []
    unknown += [] if math.isfinite(joint.lower) and joint.lower < joint.upper else ["position"]
    if unknown:
        yield f"  # check: the URDF has no {' and '.join(unknown)} limit for the joint above"


def _text(value: float) -> str:
    """Return a number with six decimals, without zeros at its end."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _middle(joint: Joint) -> float:
    low, high, _ = _limits(joint)
    return 0.0 if low <= 0.0 <= high else round((low + high) / 2, 4)


def _camera_lines(urdf: Urdf, joints: Sequence[str]) -> list[str]:
    frames = [link for link in urdf.links if link.endswith(OPTICAL_FRAME)]
    if not frames:
        return [
            "# check: cameras of the robot, such as",
            "#   wrist_camera: {topic: /camera/color/image_raw, frame: camera_optical_frame,",
            '#                  moved_by: ["*_joint", "!*gripper*"]}',
            "cameras: {}",
        ]
    lines = ["# check: topics; the default is <camera>/image_raw", "cameras:"]
    for frame in frames:
        above = [_quoted(j.name) for j in urdf.chain(urdf.root, frame) if j.name in joints]
        moved_by = f", moved_by: [{', '.join(above)}]" if above else ""
        name = re.sub(r"\W", "_", frame.removesuffix(OPTICAL_FRAME), flags=re.ASCII)
        name = name if NAME.fullmatch(name) else f"camera_{name}"
        lines.append(f"  {name}: {{frame: {_quoted(frame)}{moved_by}}}")
    return lines


def _data_lines(joint: str) -> list[str]:
    """Return the mapping of data of one joint and one camera, as comments."""
    return [
        "# check: columns, units and cameras of data sets that others recorded, such as",
        "# data:",
        "#   joints:",
        f"#     {_quoted(joint)}: {{state: robot0_joint_pos.0, action: actions.0, unit: rad}}",
        "#   cameras: {wrist_camera: robot0_eye_in_hand_image}",
    ]


def _capsule_lines(link: str, shapes: Sequence[Capsule]) -> Iterator[str]:
    yield f"  {_quoted(link)}:"
    for shape in shapes:
        start, end = (", ".join(f"{x:g}" for x in point) for point in (shape.start, shape.end))
        yield f"    - {{start: [{start}], end: [{end}], radius: {shape.radius:g}}}"
