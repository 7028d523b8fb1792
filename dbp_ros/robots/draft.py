"""First description of a robot, from its URDF."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np

from dbp_ros.errors import ConfigError
from dbp_ros.robots.collision import CollisionModel
from dbp_ros.robots.shapes import capsules_of
from dbp_ros.robots.urdf import Joint, Urdf
from dbp_ros.settings.robot import NAME, Capsule

# Joints from which on a branch of the URDF counts as an arm.
MIN_ARM_JOINTS = 3
GRIPPER = re.compile(r"gripper|finger|jaw|knuckle|claw|thumb|grip\b", re.IGNORECASE)
TIP = re.compile(r"tcp|tool|grasp|ee_|_ee$|effector|gripper_frame|flange|hand$", re.IGNORECASE)
OPTICAL_FRAME = "_optical_frame"
# Time in which a joint reaches its velocity limit, in [s].
REACH_VELOCITY_S = 0.25
ARM_ERROR = 0.25
# Position and velocity limits of a joint without any, in [rad] and [rad/s].
NO_POSITION_LIMIT, NO_VELOCITY_LIMIT = 2 * math.pi, 1.0


@dataclass(frozen=True)
class Arm:
    """Arm found in a URDF, with its joints from the base to the tip."""

    name: str
    joints: Sequence[Joint]
    gripper: Sequence[Joint]
    base: str
    tip: str


def find_arms(urdf: Urdf) -> list[Arm]:
    """Return the arms of a robot: branches of at least three joints.

    Raises:
        ConfigError: If there is none.
    """
    starts = _starts(urdf, urdf.root)
    if not starts:
        count = len(_moving_below(urdf, urdf.root))
        raise ConfigError(
            f"the URDF has {count} independent joints and no branch with at least "
            f"{MIN_ARM_JOINTS} of them besides grippers, which would be an arm"
        )
    found = [_arm(urdf, joint) for joint in starts]
    names = _arm_names([[joint.name for joint in arm.joints] for arm in found])
    return [
        Arm(name, arm.joints, arm.gripper, arm.base, arm.tip)
        for name, arm in zip(names, found, strict=True)
    ]


def _starts(urdf: Urdf, link: str) -> list[Joint]:
    """Return the first joint of each arm below a link."""
    below = [joint for joint in urdf.joints.values() if joint.parent == link]
    arms = [joint for joint in below if _arm_joints_from(urdf, joint) >= MIN_ARM_JOINTS]
    if len(arms) > 1:
        return [start for joint in arms for start in _starts_from(urdf, joint)]
    return _starts_from(urdf, arms[0]) if arms else []


def _starts_from(urdf: Urdf, joint: Joint) -> list[Joint]:
    """Return the first joint of each arm from a joint on, itself if it belongs to one arm."""
    below = _starts(urdf, joint.child)
    if joint.moves and len(below) <= 1:
        return [joint]
    return below


def _arm_joints_from(urdf: Urdf, joint: Joint) -> int:
    """Return the length of the longest chain from a joint on, without joints of grippers.

    A chain has the independent joints only: four casters with two wheels each are no arm.
    """
    own = joint.moves and not joint.mimic and not _is_gripper(urdf, joint)
    below = (found for found in urdf.joints.values() if found.parent == joint.child)
    return own + max((_arm_joints_from(urdf, found) for found in below), default=0)


def _moving_below(urdf: Urdf, link: str) -> list[Joint]:
    """Return the independent joints below a link."""
    below = (joint for joint in urdf.joints.values() if joint.parent == link)
    return [found for joint in below for found in _moving_from(urdf, joint)]


def _moving_from(urdf: Urdf, joint: Joint) -> list[Joint]:
    own = [joint] if joint.moves and not joint.mimic else []
    return own + _moving_below(urdf, joint.child)


def _arm(urdf: Urdf, start: Joint) -> Arm:
    joints, link = [], start.parent
    following: Joint | None = start
    while following is not None and not _is_gripper(urdf, following):
        if following.moves:
            joints.append(following)
        link = following.child
        below = [joint for joint in urdf.joints.values() if joint.parent == link]
        following = max(below, key=lambda j: len(_moving_from(urdf, j)), default=None)
        if following is not None and not _moving_from(urdf, following):
            break
    last = joints[-1].child
    gripper = [j for j in _moving_below(urdf, last) if _follows(urdf, j, last)]
    return Arm("", joints, gripper, start.parent, _tip(urdf, last))


def _is_gripper(urdf: Urdf, joint: Joint) -> bool:
    """Return whether a joint is one of a gripper, by its name or as others mimic it."""
    if not joint.moves:
        return False
    mimicked = any(j.mimic and j.mimic.joint == joint.name for j in urdf.joints.values())
    return mimicked or bool(joint.mimic) or bool(GRIPPER.search(joint.name))


def _follows(urdf: Urdf, joint: Joint, link: str) -> bool:
    return any(above.parent == link for above in urdf.chain(link, joint.child))


def _tip(urdf: Urdf, last: str) -> str:
    """Return the link at the end of an arm: a tool frame if there is one."""
    links = [last]
    for link in links:
        below = (j for j in urdf.joints.values() if j.parent == link and not j.moves)
        links += [joint.child for joint in below]
    return next((link for link in reversed(links) if TIP.search(link)), last)


def _arm_names(joints: Sequence[Sequence[str]]) -> list[str]:
    """Return a name per arm: the first words that all its joints share."""
    if len(joints) == 1:
        return ["arm"]
    prefixes = []
    for names in joints:
        words = zip(*(name.split("_") for name in names), strict=False)
        shared = takewhile(lambda position: len(set(position)) == 1, words)
        prefixes.append("_".join(position[0] for position in shared).removesuffix("_joint"))
    usable = len(set(prefixes)) == len(prefixes) and all(map(NAME.fullmatch, prefixes))
    return prefixes if usable else [f"arm_{number}" for number in range(1, len(joints) + 1)]


def draft_description(urdf: Urdf, path: Path, name: str, urdf_name: str) -> str:
    """Return the YAML of a first description; what it guesses is marked by `check:`.

    Args:
        urdf: The robot.
        path: Its file, for the paths of meshes.
        name: Name of the robot.
        urdf_name: Path of the URDF, relative to the description.

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
        "# dbp robot check FILE; dbp up --robot FILE",
        f"name: {name}",
        f"urdf: {urdf_name}",
        "",
        "# All joint vectors have the order of the arms below, each with its gripper last.",
        "# check: controllers of ros2_control that forward positions",
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
        *(f"  {joint}: {_text(position)}" for joint, position in home.items()),
        "home_speed: 0.2",
        "",
        "joint_states_topic: joint_states",
        *_camera_lines(urdf, [joint.name for joint in joints]),
        "",
        "# Capsules in the frames of the links [m], from the collision geometry.",
        *([f"# check: guesses for {', '.join(guessed)}: no readable mesh"] if guessed else []),
        "collision_capsules:" if capsules else "collision_capsules: {}",
        *(line for link, found in capsules.items() for line in _capsule_lines(link, found)),
    ]
    model = CollisionModel(urdf, list(home), capsules)
    if pairs := model.overlaps(np.array(list(home.values()))):
        lines += ["# Pairs whose capsules overlap in the start pose. check: can they touch?"]
        lines += ["allowed_collisions:", *(f"  - [{a}, {b}]" for a, b in pairs)]
    return "\n".join(lines) + "\n"


def _arm_lines(arm: Arm) -> Iterator[str]:
    yield f"  {arm.name}:"
    yield f"    base: {arm.base}"
    yield f"    tip: {arm.tip}"
    yield "    joints:"
    yield from (f"      - {joint.name}" for joint in arm.joints)
    yield f"    controller: {arm.name}_forward_position_controller"
    yield f"    homing_controller: {arm.name}_joint_trajectory_controller"
    if arm.gripper:
        yield "    gripper:"
        yield f"      joints: [{', '.join(joint.name for joint in arm.gripper)}]"
        yield f"      controller: {arm.name}_gripper_controller"


def _limits(joint: Joint) -> tuple[float, float, float]:
    bounded = math.isfinite(joint.lower) and math.isfinite(joint.upper)
    low, high = (joint.lower, joint.upper) if bounded else (-NO_POSITION_LIMIT, NO_POSITION_LIMIT)
    known = math.isfinite(joint.velocity)
    return low, high, joint.velocity if known else NO_VELOCITY_LIMIT


def _limit_lines(joint: Joint, is_gripper: bool) -> Iterator[str]:
    low, high, velocity = _limits(joint)
    error = 0.8 * (high - low) if is_gripper else min(ARM_ERROR, 0.5 * (high - low))
    yield f"  {joint.name}:"
    yield (
        f"    {{min_position: {_text(low)}, max_position: {_text(high)}, "
        f"max_velocity: {_text(velocity)}, "
        f"max_acceleration: {velocity / REACH_VELOCITY_S:g},"
    )
    yield f"     max_tracking_error: {error:g}}}"
    if joint.velocity == math.inf:
        yield "  # check: the URDF has no velocity limit for the joint above"


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
        above = [j.name for j in urdf.chain(urdf.root, frame) if j.name in joints]
        moved_by = f", moved_by: [{', '.join(above)}]" if above else ""
        lines.append(f"  {frame.removesuffix(OPTICAL_FRAME)}: {{frame: {frame}{moved_by}}}")
    return lines


def _capsule_lines(link: str, shapes: Sequence[Capsule]) -> Iterator[str]:
    yield f"  {link}:"
    for shape in shapes:
        start, end = (", ".join(f"{x:g}" for x in point) for point in (shape.start, shape.end))
        yield f"    - {{start: [{start}], end: [{end}], radius: {shape.radius:g}}}"
