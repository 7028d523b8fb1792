"""Check of a robot's description against its URDF."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from dbp_ros.errors import ConfigError
from dbp_ros.robots.collision import CollisionModel
from dbp_ros.robots.kinematics import Kinematics
from dbp_ros.robots.urdf import Joint, Urdf, read_urdf
from dbp_ros.settings.joint_patterns import match_joints
from dbp_ros.settings.parameter_yaml import suggestion
from dbp_ros.settings.robot import ArmDescription, RobotDescription
from dbp_ros.settings.robot_files import read_robot, robot_file

Level = Literal["error", "warning"]
# Differences of limits that come from rounding in the files.
ROUNDING = 1e-4


@dataclass(frozen=True)
class Problem:
    """Contradiction between a description and its URDF.

    Attributes:
        level: `error` if the robot cannot be used like this.
        key: Key in the description.
        text: Value, expectation and remedy.
    """

    level: Level
    key: str
    text: str


def urdf_path(robot: str) -> Path:
    """Return the URDF file of a description.

    Raises:
        ConfigError: If the description is invalid.
    """
    return robot_file(robot).parent / read_robot(robot).urdf


def urdf_of(robot: str, arguments: Mapping[str, str] | None = None) -> Urdf:
    """Return the URDF of a description.

    Args:
        robot: Name of a description in `config/robots/`, or the path of a file.
        arguments: Arguments of its xacro file besides those in the description.

    Raises:
        ConfigError: If the description or its URDF is invalid.
    """
    given = {**read_robot(robot).urdf_arguments, **(arguments or {})}
    return read_urdf(urdf_path(robot), given)


def check_robot(robot: str) -> list[Problem]:
    """Return the problems of a description, errors first; empty if there are none.

    Args:
        robot: Name of a description in `config/robots/`, or the path of a file.

    Raises:
        ConfigError: If the description itself or its URDF cannot be read.
    """
    description, urdf = read_robot(robot), urdf_of(robot)
    problems = [
        *_joint_problems(description, urdf),
        *_link_problems(description, urdf),
    ]
    if not any(problem.level == "error" for problem in problems):
        problems += _arm_problems(description, urdf)
        problems += _camera_problems(description, urdf)
        problems += _home_problems(description, urdf)
    return sorted(problems, key=lambda problem: problem.level)


def _joint_problems(robot: RobotDescription, urdf: Urdf) -> Iterator[Problem]:
    for name in robot.joints:
        key = f"joint_limits.{name}"
        try:
            Kinematics(urdf, [name], [urdf.root])
        except ConfigError as error:
            yield Problem("error", key, str(error))
            continue
        limits, joint = robot.joint_limits[name], urdf.joints[name]
        if limits.min_position < joint.lower - ROUNDING:
            yield _beyond(key, "min_position", limits.min_position, "at least", joint.lower)
        if limits.max_position > joint.upper + ROUNDING:
            yield _beyond(key, "max_position", limits.max_position, "at most", joint.upper)
        if limits.max_velocity > joint.velocity + ROUNDING:
            yield _beyond(key, "max_velocity", limits.max_velocity, "at most", joint.velocity)
        yield from _unit_problem(robot, name, joint)
    for joint in urdf.joints.values():
        if joint.moves and not joint.mimic and joint.name not in robot.joints:
            text = "moves in the URDF and is not commanded: its position is taken as zero"
            yield Problem("warning", "arms", f"{joint.name} {text}")


def _unit_problem(robot: RobotDescription, name: str, joint: Joint) -> Iterator[Problem]:
    unit = robot.data.unit_of(name)
    wrong = ("deg",) if joint.kind == "prismatic" else ("m", "mm")
    if unit in wrong:
        text = f"unit is {unit}, but the joint is {joint.kind} in the URDF"
        yield Problem("error", f"data.joints.{name}", text)


def _beyond(key: str, name: str, value: float, relation: str, limit: float) -> Problem:
    text = f"{name} is {value:g}, expected {relation} {limit:g} as in the URDF"
    return Problem("error", key, text)


def _link_problems(robot: RobotDescription, urdf: Urdf) -> Iterator[Problem]:
    named = [
        *((f"arms.{name}.base", arm.base) for name, arm in robot.arms.items()),
        *((f"arms.{name}.tip", arm.tip) for name, arm in robot.arms.items()),
        *((f"cameras.{n}.frame", camera.frame) for n, camera in robot.cameras.items()),
        *(("collision_capsules", link) for link in robot.collision_capsules),
    ]
    for key, link in named:
        if link and link not in urdf.links:
            guess = suggestion(link, urdf.links)
            yield Problem("error", key, f"{link} is no link of the URDF{guess}")


def _arm_problems(robot: RobotDescription, urdf: Urdf) -> Iterator[Problem]:
    for name, arm in robot.arms.items():
        key = f"arms.{name}"
        try:
            chain = [joint.name for joint in urdf.chain(arm.base, arm.tip) if joint.moves]
        except ConfigError as error:
            yield Problem("error", f"{key}.base", str(error))
            continue
        if chain != list(arm.joints):
            yield Problem(
                "error",
                f"{key}.joints",
                f"{', '.join(arm.joints)}, but {', '.join(chain)} are between {arm.base} and "
                f"{arm.tip}: list these, in this order",
            )
            continue
        yield from _gripper_problems(key, arm, urdf)


def _gripper_problems(key: str, arm: ArmDescription, urdf: Urdf) -> Iterator[Problem]:
    for name in arm.gripper_joints:
        above = [j.name for j in urdf.chain(urdf.root, urdf.joints[name].child)]
        if arm.joints[-1] not in above:
            text = f"{name} is not behind {arm.joints[-1]} in the URDF"
            yield Problem("error", f"{key}.gripper.joints", text)


def _camera_problems(robot: RobotDescription, urdf: Urdf) -> Iterator[Problem]:
    for name, camera in robot.cameras.items():
        key = f"cameras.{name}"
        listed = set(match_joints(robot.joints, ",".join(camera.moved_by)))
        if camera.moved_by and not listed:
            patterns = ", ".join(camera.moved_by)
            yield Problem("error", f"{key}.moved_by", f"{patterns} matches no joint of the arms")
        if not camera.frame:
            yield Problem("warning", f"{key}.frame", "is empty: the camera has no place in TF")
            continue
        above = {joint.name for joint in urdf.chain(urdf.root, camera.frame)}
        moving = {joint for joint in robot.joints if joint in above}
        if camera.detect_frozen and listed != moving:
            yield Problem(
                "warning",
                f"{key}.moved_by",
                f"matches {', '.join(sorted(listed)) or 'no joint'}, but in the URDF "
                f"{', '.join(sorted(moving)) or 'no joint'} moves {camera.frame}",
            )


def _home_problems(robot: RobotDescription, urdf: Urdf) -> Iterator[Problem]:
    if not robot.collision_capsules:
        yield Problem("warning", "collision_capsules", "is empty: collisions are not checked")
        return
    try:
        model = CollisionModel.of_robot(robot, urdf)
    except ConfigError as error:
        yield Problem("error", "allowed_collisions", str(error))
        return
    closest = model.clearance(np.array(robot.home_positions))
    if closest and closest.problem:
        remedy = "correct home, the capsules, or add the pair to allowed_collisions"
        yield Problem("error", "home", f"{closest.problem}: {remedy}")
