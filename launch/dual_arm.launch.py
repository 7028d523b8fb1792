"""Start the stack: guard, policy and, with `sim:=true`, the simulated cell.

    ros2 launch dbp_ros dual_arm.launch.py model:=lift sim:=true enable_control:=true
    ros2 launch dbp_ros dual_arm.launch.py robot:=franka_dual hardware:=mock policy:=false
    ros2 launch dbp_ros dual_arm.launch.py head_camera:=/camera/camera/color/image_raw

A `name:=value` that is not a launch argument is a remap rule, e.g. of a camera. Settings, files and
the model are checked before a process starts. `dbp up` starts the same processes without ros2
launch; they are listed in dbp_ros/stack/processes.py. `hardware` starts ros2_control as well, see
dbp_ros/stack/hardware.py.
"""

import sys
from dataclasses import fields
from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from dbp_ros.settings.flags import from_strings
from dbp_ros.stack.hardware import hardware_nodes
from dbp_ros.stack.preflight import checked_processes
from dbp_ros.stack.processes import ESSENTIAL, StackConfig, remaps_among

FILE = "dual_arm.launch.py"
ARGUMENTS = fields(StackConfig)


def end_stack(event, context):
    """Shut down with an error status if the guard ends before the launch does."""
    if not context.is_shutdown:
        raise RuntimeError(
            f"{ESSENTIAL} ended ({event.returncode}): nothing commands the arms any more, "
            "ending the stack"
        )


def hardware_action(node, namespace):
    """Return the action that starts a node, or a program without ROS arguments."""
    if not node.package:
        command = [node.executable, *node.arguments]
        return ExecuteProcess(cmd=command, name=node.name, output="screen")
    return Node(
        package=node.package,
        executable=node.executable,
        name=node.name if node.is_ros_node else None,
        exec_name=node.name,
        namespace=namespace or None,
        parameters=list(node.parameters),
        arguments=list(node.arguments),
        remappings=list(node.remaps),
        output="screen",
    )


def stack(context):
    """Return the nodes for the values of the launch arguments."""
    values = {item.name: LaunchConfiguration(item.name).perform(context) for item in ARGUMENTS}
    # If another launch file includes this one, the command line belongs to that file.
    words = sys.argv[1:] if FILE in {Path(word).name for word in sys.argv} else []
    values["remap"] = " ".join([values["remap"], *remaps_among(words)])
    config = from_strings(StackConfig, values)
    hardware = [hardware_action(node, config.namespace) for node in hardware_nodes(config)]
    return hardware + [
        Node(
            executable=sys.executable,
            arguments=["-m", process.module],
            name=process.name,
            exec_name=process.name,
            namespace=config.namespace or None,
            parameters=[str(process.parameter_file), process.parameters],
            remappings=list(process.remaps),
            on_exit=end_stack if process.name == ESSENTIAL else None,
            output="screen",
        )
        for process in checked_processes(config)
    ]


def generate_launch_description():
    """Return a launch description with an argument for each setting of the stack."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                item.name,
                default_value=str(item.default).lower()
                if isinstance(item.default, bool)
                else str(item.default),
                description=item.metadata["doc"],
            )
            for item in ARGUMENTS
        ]
        + [OpaqueFunction(function=stack)]
    )
