"""`dbp robot mjcf`: write the MuJoCo scene of a robot."""

import argparse
from pathlib import Path

from dbp_ros.cli.robot import ROBOT_HELP
from dbp_ros.files import check_file, write_text
from dbp_ros.robots.check import urdf_of
from dbp_ros.settings.robot_files import read_robot
from dbp_ros.sim.mjcf import scene_xml
from dbp_ros.sim.robot_simulation import RobotSimulation


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Write the MuJoCo scene of a robot, with a position actuator per joint, its cameras and "
        "the keyframe `home`, without objects and contacts, for mujoco_ros2_control."
    )
    parser.add_argument("robot", help=ROBOT_HELP)
    parser.add_argument("--out", required=True, type=Path, help="file to write")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the scene.

    Raises:
        ConfigError: If the description or its URDF is invalid.
    """
    check_file(arguments.out)
    robot = read_robot(arguments.robot)
    simulation = RobotSimulation(robot, urdf_of(arguments.robot))
    write_text(arguments.out, scene_xml(simulation, robot))
    print(f"wrote {arguments.out}")
    return 0
