"""Nodes of other packages that make a robot with ros2_control: driver, simulator, controllers."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbp_ros.errors import ConfigError
from dbp_ros.files import require_folder, write_text
from dbp_ros.resources import resource_directory
from dbp_ros.robots.check import urdf_of
from dbp_ros.robots.ros2_control import (
    BROADCASTER,
    controllers_yaml,
    hardware_urdf,
    homing_controllers,
)
from dbp_ros.robots.urdf import Urdf
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.settings.robot_files import read_robot
from dbp_ros.stack.processes import SIMULATORS, StackConfig, all_rules
from dbp_ros.stack.remaps import JOINT_STATES, Rule
from dbp_ros.stack.rviz import rviz_view

DESCRIPTION = "robot_description"
WORLD = "cell"
# Time in which the controller manager must appear, in [s].
SPAWN_TIMEOUT_S = "60"


@dataclass(frozen=True)
class HardwareNode:
    """Node or program of another package.

    Attributes:
        name: Its name in the log.
        executable: Executable.
        package: Package of the executable; empty for a program on the path.
        parameters: Parameter files, and parameters by name.
        arguments: Words of its command line.
        remaps: ROS remap rules.
    """

    name: str
    executable: str
    package: str = ""
    parameters: tuple[str | dict[str, Any], ...] = ()
    arguments: tuple[str, ...] = ()
    remaps: tuple[tuple[str, str], ...] = ()

    @property
    def is_ros_node(self) -> bool:
        """Whether it has a node name, which a spawner has not."""
        return self.executable != "spawner"


def generated_folder(config: StackConfig) -> Path:
    """Return the folder of the files that are generated for a robot and its hardware."""
    home = Path(os.environ.get("ROS_HOME") or Path.home() / ".ros")
    return home / "dbp_ros" / f"{read_robot(config.robot).name}_{config.hardware}"


def _require_generated_folder(config: StackConfig) -> Path:
    folder = generated_folder(config)
    require_folder(folder, "ROS_HOME")
    return folder


def hardware_nodes(config: StackConfig) -> list[HardwareNode]:
    """Return the nodes of a robot's hardware and of the view, in the order of their start.

    Writes the parameter file of the controllers, for MuJoCo the scene, and for RViz its view.

    Raises:
        ConfigError: If the description, its URDF or an address is wrong.
    """
    if config.hardware == "none":
        if not config.view:
            return []
        simulated_time = config.use_sim_time or config.real_time_factor != 1.0
        clock: dict[str, Any] = {"use_sim_time": True} if simulated_time else {}
        urdf = urdf_of(config.robot)
        return [_state_publisher(urdf, clock, all_rules(config)), _rviz(config, urdf, clock)]
    robot, folder = read_robot(config.robot), _require_generated_folder(config)
    simulated = config.hardware in SIMULATORS
    controllers = folder / "controllers.yaml"
    write_text(controllers, controllers_yaml(robot, simulated))
    scene = folder / "scene.xml"
    if config.hardware == "mujoco":
        _write_scene(config, scene)
    arguments = {"controllers": str(controllers), "scene": str(scene)}
    arguments |= {"namespace": f"/{config.namespace.strip('/')}" if config.namespace else ""}
    urdf = hardware_urdf(
        config.robot, config.hardware, folder, {**arguments, "addresses": config.addresses}
    )
    clock = {"use_sim_time": True} if simulated else {}
    managers = {
        "mock": [_manager("controller_manager", controllers)],
        "ur": [_manager("controller_manager", controllers)],
        "mujoco": [_manager("mujoco_ros2_control", controllers, clock)],
        "gazebo": _gazebo(robot),
    }
    nodes = [_state_publisher(urdf, clock), *managers[config.hardware], *_spawners(robot)]
    return [*nodes, _rviz(config, urdf, clock)] if config.view else nodes


def _state_publisher(urdf: Urdf, clock: dict[str, Any], rules: Sequence[Rule] = ()) -> HardwareNode:
    name = "robot_state_publisher"
    remaps = tuple(rule for rule in rules if rule[0] == JOINT_STATES)
    return HardwareNode(name, name, name, ({DESCRIPTION: urdf.text, **clock},), remaps=remaps)


def _rviz(config: StackConfig, urdf: Urdf, clock: dict[str, Any]) -> HardwareNode:
    """Return RViz with the cameras and the root frame of the robot."""
    view = _require_generated_folder(config) / "stack.rviz"
    cameras = read_robot(config.robot).cameras
    write_text(view, rviz_view(urdf.root, cameras, dict(all_rules(config))))
    parameters = (clock,) if clock else ()
    return HardwareNode("rviz", "rviz2", "rviz2", parameters, ("-d", str(view)))


def _manager(
    package: str, controllers: Path, parameters: dict[str, Any] | None = None
) -> HardwareNode:
    return HardwareNode(
        "controller_manager",
        "ros2_control_node",
        package,
        (str(controllers), *([parameters] if parameters else [])),
        remaps=((f"~/{DESCRIPTION}", DESCRIPTION),),
    )


def _spawners(robot: RobotDescription) -> list[HardwareNode]:
    """Return a spawner of the active controllers, and one of those for homing, inactive."""
    timeout = ("--controller-manager-timeout", SPAWN_TIMEOUT_S)
    active = (BROADCASTER, *robot.controllers)
    spawners = [HardwareNode("spawner", "spawner", "controller_manager", (), (*active, *timeout))]
    if homing := tuple(homing_controllers(robot)):
        words = (*homing, "--inactive", *timeout)
        spawners.append(HardwareNode("homing_spawner", "spawner", "controller_manager", (), words))
    return spawners


def _gazebo(robot: RobotDescription) -> list[HardwareNode]:
    """Return the server of Gazebo, and the bridges of its clock and cameras."""
    world = resource_directory() / "config" / "worlds" / f"{WORLD}.sdf"
    topics = [camera.topic or f"{name}/image_raw" for name, camera in robot.cameras.items()]
    infos = [f"{topic.rpartition('/')[0]}/camera_info" for topic in topics]
    bridged = [
        "/clock@rosgraph_msgs/msg/Clock[gz.msgs.Clock",
        *(f"{info}@sensor_msgs/msg/CameraInfo[gz.msgs.CameraInfo" for info in infos),
    ]
    create = ("-world", WORLD, "-name", robot.name, "-topic", DESCRIPTION)
    nodes = [
        HardwareNode(
            "gazebo", "gz", arguments=("sim", "-r", "-s", "--headless-rendering", str(world))
        ),
        HardwareNode("create", "create", "ros_gz_sim", (), create),
        HardwareNode("bridge", "parameter_bridge", "ros_gz_bridge", (), tuple(bridged)),
    ]
    if topics:
        nodes.append(HardwareNode("images", "image_bridge", "ros_gz_image", (), tuple(topics)))
    return nodes


def _write_scene(config: StackConfig, scene: Path) -> None:
    """Write the MJCF of a robot by `dbp robot mjcf`, which needs MuJoCo; this process does not."""
    words = ("dbp_ros.cli", "robot", "mjcf", config.robot, "--out", str(scene))
    command = (sys.executable, "-m", *words)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"{' '.join(words)} failed: {done.stderr.strip()}")
