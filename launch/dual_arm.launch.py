"""Start the stack for two arms: guard, policy and, unless there is a robot, the simulated cell.

    ros2 launch dbp_ros dual_arm.launch.py model:=lift_int8 sim:=true enable_control:=true

What is started is described in dbp_ros/stack.py; `dbp up` starts the same without ros2 launch.
"""

import sys
from dataclasses import fields

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from dbp_ros.stack import StackConfig, config_of, processes

ARGUMENTS = fields(StackConfig)


def stack(context):
    """Return the actions that the launch arguments stand for, now that they have values."""
    values = {item.name: LaunchConfiguration(item.name).perform(context) for item in ARGUMENTS}
    config = config_of(values)
    return [
        Node(
            executable=sys.executable,
            arguments=["-m", process.module],
            name=process.name,
            exec_name=process.name,
            namespace=config.namespace or None,
            parameters=[str(process.parameter_file), process.parameters],
            output="screen",
        )
        for process in processes(config)
    ]


def generate_launch_description():
    """Declare an argument for each setting of the stack."""
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
