"""Configuration of ros2_control for a robot: its controllers and its expanded URDF."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import yaml

from dbp_ros.errors import ConfigError
from dbp_ros.files import write_text
from dbp_ros.robots.check import urdf_of
from dbp_ros.robots.urdf import Urdf, read_urdf
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.settings.robot_files import read_robot, robot_file, robot_folder

BROADCASTER = "joint_state_broadcaster"
FORWARD = "forward_command_controller/ForwardCommandController"
TRAJECTORY = "joint_trajectory_controller/JointTrajectoryController"
MOCK = "mock_components/GenericSystem"
# Plugins of each hardware, the main one first.
PLUGINS = {
    "mock": (MOCK,),
    "mujoco": ("mujoco_ros2_control/MujocoSystemInterface",),
    "gazebo": ("gz_ros2_control/GazeboSimSystem",),
    "ur": ("ur_robot_driver/URPositionHardwareInterface", MOCK),
}
# Share of the tracking error limit within which a trajectory has to end.
GOAL_SHARE = 0.2
WRAPPER = """<?xml version="1.0"?>
<robot name={name} xmlns:xacro="http://www.ros.org/wiki/xacro">
  <xacro:property name="robot" value="${{xacro.load_yaml({description!r})}}"/>
  <xacro:include filename={urdf}/>
  <xacro:include filename={hardware}/>
  <xacro:ros2_control hardware="$(arg hardware)"/>
</robot>
"""


def homing_controllers(robot: RobotDescription) -> dict[str, tuple[str, ...]]:
    """Return the joints of each trajectory controller."""
    arms = robot.arms.values()
    return {arm.homing_controller: arm.joints for arm in arms if arm.homing_controller}


def controller_parameters(robot: RobotDescription, use_sim_time: bool = False) -> dict[str, Any]:
    """Return the parameters of the controller manager and the controllers.

    Forward controllers have the joints in the order in which the guard commands them. Trajectory
    controllers have those of an arm without its gripper.
    """
    forward, homing = robot.forward_controllers, homing_controllers(robot)
    kinds = {BROADCASTER: "joint_state_broadcaster/JointStateBroadcaster"}
    kinds |= dict.fromkeys(forward, FORWARD) | dict.fromkeys(homing, TRAJECTORY)
    nodes: dict[str, Any] = {
        "controller_manager": {
            "update_rate": round(robot.command_rate_hz),
            "enforce_command_limits": True,
            **({"use_sim_time": True} if use_sim_time else {}),
            **{name: {"type": kind} for name, kind in kinds.items()},
        }
    }
    for name, joints in forward.items():
        nodes[name] = {"joints": list(joints), "interface_name": "position"}
    for name, joints in homing.items():
        nodes[name] = _trajectory_parameters(robot, joints)
    return {f"/**/{name}": {"ros__parameters": values} for name, values in nodes.items()}


def _trajectory_parameters(robot: RobotDescription, joints: tuple[str, ...]) -> dict[str, Any]:
    errors = {joint: robot.joint_limits[joint].max_tracking_error for joint in joints}
    tolerances = {
        joint: {"trajectory": error, "goal": round(GOAL_SHARE * error, 6)}
        for joint, error in errors.items()
    }
    return {
        "joints": list(joints),
        "command_interfaces": ["position"],
        "state_interfaces": ["position", "velocity"],
        "constraints": {"stopped_velocity_tolerance": 0.05, "goal_time": 1.0, **tolerances},
    }


def controllers_yaml(robot: RobotDescription, use_sim_time: bool = False) -> str:
    """Return the parameter file of the controllers."""
    head = f"# Controllers of {robot.name}, from its description.\n"
    return head + yaml.safe_dump(
        controller_parameters(robot, use_sim_time), sort_keys=False, default_flow_style=None
    )


def hardware_urdf(robot: str, hardware: str, folder: Path, arguments: Mapping[str, str]) -> Urdf:
    """Return the URDF of a robot with the hardware of ros2_control.

    A URDF without `<ros2_control>` gets that of `config/robots/urdf/ros2_control.xacro`.

    Args:
        robot: Name of a description in `config/robots/`, or the path of a file.
        hardware: `mock`, `mujoco`, `gazebo` or `ur`.
        folder: Folder for the file that adds the hardware.
        arguments: Further arguments of the xacro file.

    Raises:
        ConfigError: If the description or its URDF is invalid, or lacks an argument.
    """
    given = {"hardware": hardware, **arguments}
    urdf = urdf_of(robot, given)
    if plugins := plugins_of(urdf):
        if wrong := sorted(set(plugins) - set(PLUGINS[hardware])):
            raise ConfigError(
                f"the URDF of {robot} has ros2_control with {', '.join(wrong)}, but hardware is "
                f"{hardware}, which is {PLUGINS[hardware][0]}: select the plugin by the xacro "
                "argument hardware, or remove ros2_control from the URDF to get it from here"
            )
        return urdf
    plain = folder / "plain.urdf"
    write_text(plain, urdf.text)
    wrapper = folder / "with_hardware.urdf.xacro"
    text = WRAPPER.format(
        name=quoteattr(read_robot(robot).name),
        description=str(robot_file(robot)),
        urdf=quoteattr(str(plain)),
        hardware=quoteattr(str(robot_folder() / "urdf" / "ros2_control.xacro")),
    )
    write_text(wrapper, text)
    return read_urdf(wrapper, given)


def plugins_of(urdf: Urdf) -> list[str]:
    """Return the hardware plugins of ros2_control in a URDF."""
    elements = ElementTree.fromstring(urdf.text).iterfind("ros2_control/hardware/plugin")
    return [(element.text or "").strip() for element in elements]
