"""Arms and grippers in a URDF."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from dbp_ros.errors import ConfigError
from dbp_ros.robots.urdf import Joint, Urdf
from dbp_ros.settings.robot import NAME

# Joints from which on a branch of the URDF counts as an arm.
MIN_ARM_JOINTS = 3
GRIPPER = re.compile(r"gripper|finger|jaw|knuckle|claw|thumb|grip\b", re.IGNORECASE)
# Joints of legs and of a drive, whose branches are no arms.
LEG = re.compile(
    r"(^|_)(hip|thigh|knee|calf|ankle|foot|toe|leg|wheel|caster)(_|\d|$)", re.IGNORECASE
)
TIP = re.compile(r"tcp|tool|grasp|ee_|_ee$|effector|gripper_frame|flange|hand$", re.IGNORECASE)


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
            f"{MIN_ARM_JOINTS} of them besides grippers and legs, which would be an arm"
        )
    found = [_arm(urdf, joint) for joint in starts]
    names = _arm_names([[joint.name for joint in arm.joints] for arm in found])
    return [
        Arm(name, arm.joints, arm.gripper, arm.base, arm.tip)
        for name, arm in zip(names, found, strict=True)
    ]


def _starts(urdf: Urdf, link: str) -> list[Joint]:
    """Return the first joint of each arm below a link."""
    arms = [
        joint
        for joint in urdf.joints_below(link)
        if _arm_joints_from(urdf, joint) >= MIN_ARM_JOINTS
    ]
    if len(arms) > 1:
        return [start for joint in arms for start in _starts_from(urdf, joint)]
    return _starts_from(urdf, arms[0]) if arms else []


def _starts_from(urdf: Urdf, joint: Joint) -> list[Joint]:
    """Return the first joint of each arm from a joint on, itself if it belongs to one arm.

    A joint that others mimic, as of a telescopic lift, belongs to none.
    """
    below = _starts(urdf, joint.child)
    if joint.moves and not _is_gripper(urdf, joint) and len(below) <= 1:
        return [joint]
    return below


def _arm_joints_from(urdf: Urdf, joint: Joint) -> int:
    """Return the length of the longest chain from a joint on, without joints of grippers and legs.

    A chain has the independent joints only: four casters with two wheels each are no arm.
    """
    independent = joint.moves and not joint.mimic
    own = independent and not _is_gripper(urdf, joint) and not LEG.search(joint.name)
    below = urdf.joints_below(joint.child)
    return own + max((_arm_joints_from(urdf, found) for found in below), default=0)


def _moving_below(urdf: Urdf, link: str) -> list[Joint]:
    """Return the independent joints below a link."""
    below = urdf.joints_below(link)
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
        below = urdf.joints_below(link)
        if _are_fingers(urdf, link):
            break
        following = max(below, key=lambda j: len(_moving_from(urdf, j)), default=None)
        if following is not None and not _moving_from(urdf, following):
            break
    last = joints[-1].child
    return Arm("", joints, _moving_below(urdf, last), start.parent, _tip(urdf, last))


def _are_fingers(urdf: Urdf, link: str) -> bool:
    """Return whether a link carries several branches that only slide: fingers of any name."""
    moving = [found for joint in urdf.joints_below(link) if (found := _moving_from(urdf, joint))]
    return len(moving) > 1 and all(j.kind == "prismatic" for branch in moving for j in branch)


def _is_gripper(urdf: Urdf, joint: Joint) -> bool:
    """Return whether a joint is one of a gripper, by its name or as others mimic it."""
    if not joint.moves:
        return False
    mimicked = any(j.mimic and j.mimic.joint == joint.name for j in urdf.joints.values())
    return mimicked or bool(joint.mimic) or bool(GRIPPER.search(joint.name))


def _tip(urdf: Urdf, last: str) -> str:
    """Return the link at the end of an arm: a tool frame if there is one."""
    links = [last]
    for link in links:
        links += [joint.child for joint in urdf.joints_below(link) if not joint.moves]
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
