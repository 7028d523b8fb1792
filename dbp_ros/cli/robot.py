"""`dbp robot`: list, check and draft descriptions of robots."""

import argparse
import os
from pathlib import Path

from dbp_ros.cli.command import Register
from dbp_ros.errors import ConfigError
from dbp_ros.files import check_file, write_text
from dbp_ros.robots.check import Problem, check_robot, urdf_path
from dbp_ros.robots.draft import draft_description
from dbp_ros.robots.ros2_control import controllers_yaml
from dbp_ros.robots.urdf import read_urdf
from dbp_ros.settings.robot import NAME, RobotDescription
from dbp_ros.settings.robot_files import SUFFIX, read_robot, robot_file, robot_names

ROBOT_HELP = "description of the robot: a name in config/robots/, or a file"


def register_of(name: str) -> Register:
    """Return the `register` function of a verb `robot ...`."""
    return {
        "robot list": register_list,
        "robot check": register_check,
        "robot new": register_new,
        "robot controllers": register_controllers,
    }[name]


def register_list(parser: argparse.ArgumentParser) -> None:
    """Add the verb `robot list`."""
    parser.description = "List the descriptions of robots that ship with the package."
    parser.set_defaults(run=run_list)


def register_check(parser: argparse.ArgumentParser) -> None:
    """Add the verb `robot check`."""
    parser.description = (
        "Check a description: types and names, joints, frames and limits against its URDF, the "
        "joints that move each camera, and collisions in the start pose. Exit status 1 if there "
        "is an error."
    )
    parser.add_argument("robot", help=ROBOT_HELP)
    parser.set_defaults(run=run_check)


def register_new(parser: argparse.ArgumentParser) -> None:
    """Add the verb `robot new`."""
    parser.description = (
        "Write a first description of a robot from its URDF or xacro file. Arms, grippers, limits, "
        "cameras and collision capsules are taken from it; what it does not contain is marked by "
        "`check:`."
    )
    parser.add_argument("--urdf", required=True, type=Path, help="URDF or xacro file of the robot")
    parser.add_argument(
        "--urdf-arguments",
        nargs="*",
        default=[],
        metavar="NAME:=VALUE",
        help="arguments of the xacro file, stored in the description",
    )
    parser.add_argument("--name", default="", help="name of the robot (default: that in the URDF)")
    parser.add_argument("--out", type=Path, help="file to write (default: NAME.yaml)")
    parser.add_argument("--force", action="store_true", help="overwrite an existing file")
    parser.set_defaults(run=run_new)


def register_controllers(parser: argparse.ArgumentParser) -> None:
    """Add the verb `robot controllers`."""
    parser.description = (
        "Print the parameter file of ros2_control for a robot: update rate, command limits, a "
        "forward controller per arm and gripper, a trajectory controller per arm for homing, and "
        "the broadcaster of the joint states."
    )
    parser.add_argument("robot", help=ROBOT_HELP)
    parser.set_defaults(run=run_controllers)


def run_controllers(arguments: argparse.Namespace) -> int:
    """Print the parameter file.

    Raises:
        ConfigError: If the description cannot be read.
    """
    print(controllers_yaml(read_robot(arguments.robot)), end="")
    return 0


def run_list(_: argparse.Namespace) -> int:
    """Print one line per robot."""
    for name in robot_names():
        robot = read_robot(name)
        arms = " and ".join(f"{arm} ({len(a.joints)} joints)" for arm, a in robot.arms.items())
        print(f"{name}: {arms}, {len(robot.cameras)} cameras, {robot.command_rate_hz:g} Hz")
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    """Print the robot and the problems of its description.

    Raises:
        ConfigError: If the description or its URDF cannot be read.
    """
    problems = check_robot(arguments.robot)
    print(f"{robot_file(arguments.robot)} with {urdf_path(arguments.robot).name}")
    _print_robot(read_robot(arguments.robot))
    for problem in problems:
        print(_line(problem))
    errors = sum(problem.level == "error" for problem in problems)
    warnings = len(problems) - errors
    print(f"{errors} errors, {warnings} warnings")
    return 1 if errors else 0


def run_new(arguments: argparse.Namespace) -> int:
    """Write a first description.

    Raises:
        ConfigError: If the URDF cannot be read or has no arm, or the file exists.
    """
    given = dict(_argument(word) for word in arguments.urdf_arguments)
    urdf = read_urdf(arguments.urdf, given)
    name = arguments.name or urdf.name
    if not NAME.fullmatch(name):
        raise ConfigError(f"the robot is called {name!r}: set --name to letters, digits and _")
    out = arguments.out or Path(f"{name}{SUFFIX}")
    if out.suffix != SUFFIX:
        raise ConfigError(f"--out is {out}, expected a file that ends in {SUFFIX}")
    check_file(out)
    if out.exists() and not arguments.force:
        raise ConfigError(f"{out} exists: set --out to another file, or add --force")
    relative = os.path.relpath(arguments.urdf.absolute(), out.absolute().parent)
    write_text(out, draft_description(urdf, arguments.urdf, name, relative, given))
    read_robot(str(out.absolute()))
    print(f"wrote {out}; edit what is marked by `check:`, then run: dbp robot check {out}")
    return 0


def _argument(word: str) -> tuple[str, str]:
    name, assignment, value = word.partition(":=")
    if not (name and assignment):
        raise ConfigError(f"--urdf-arguments has {word!r}, expected name:=value")
    return name, value


def _print_robot(robot: RobotDescription) -> None:
    for name, arm in robot.arms.items():
        print(f"  arm {name}: {arm.base} to {arm.tip}")
        for joint in (*arm.joints, *arm.gripper_joints):
            limits = robot.joint_limits[joint]
            print(
                f"    {joint}: position {limits.min_position:g} to {limits.max_position:g}, "
                f"velocity {limits.max_velocity:g}, acceleration {limits.max_acceleration:g}"
            )
    for name, joints in robot.forward_controllers.items():
        print(f"  controller {name}: {len(joints)} joints")
    for name, camera in robot.cameras.items():
        print(f"  camera {name}: {camera.topic or f'{name}/image_raw'}")


def _line(problem: Problem) -> str:
    return f"{problem.level}: {problem.key}: {problem.text}"
