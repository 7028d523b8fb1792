"""Parameters of a node from a settings dataclass."""

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

from dbp_ros.errors import ConfigError
from dbp_ros.settings.fields import Settings, leaves
from dbp_ros.settings.parameter_files import check_file, settings_of, unknown_parameter
from dbp_ros.settings.parameter_yaml import Block

Kind = TypeVar("Kind", bound=Settings)

ROS_ARGUMENTS, END_OF_ROS_ARGUMENTS = "--ros-args", "--"
PARAMETER_FLAGS, FILE_FLAG, ASSIGNMENT = ("-p", "--param"), "--params-file", ":="


def load_settings(node: Node, kind: type[Kind], writable: Sequence[str] = ()) -> Kind:
    """Declare and read one parameter per field of a dataclass; they are read-only by default.

    An integer is accepted as a float. All parameters and parameter files of the command line are
    checked, as ROS 2 ignores undeclared ones.

    Args:
        node: The node.
        kind: Settings dataclass.
        writable: Parameters that the node allows to be set later.

    Raises:
        ConfigError: If a parameter is unknown, a file is for other nodes, or a value has the wrong
            type or is out of range.
    """
    check_arguments(sys.argv, node.get_fully_qualified_name(), kind)
    for name in node._parameter_overrides:
        if problem := unknown_parameter(name, kind):
            raise ConfigError(problem)
    # ROS 2 gives an empty list no type, and rclpy reads it as None.
    given = {
        name: [] if override.value is None else override.value
        for name, override in node._parameter_overrides.items()
    }
    config = settings_of(kind, given)
    for leaf in leaves(config):
        default = list(leaf.value) if isinstance(leaf.value, tuple) else leaf.value
        text = f"{leaf.doc} ({leaf.bounds})" if leaf.bounds else leaf.doc
        # The range is part of the description: the type may be a list, or dynamic.
        read_only = leaf.name not in writable
        descriptor = ParameterDescriptor(description=text, read_only=read_only, dynamic_typing=True)
        node.declare_parameter(leaf.name, default, descriptor)
    return config


def check_arguments(arguments: Sequence[str], node: str, kind: type[Settings]) -> None:
    """Check the parameters and parameter files of a node's command line.

    Args:
        arguments: Command line.
        node: Fully qualified name of the node.
        kind: Settings dataclass of the node.

    Raises:
        ConfigError: If a parameter is unknown or for another node, `name:=value` is outside of the
            ROS arguments, or a parameter file is invalid.
    """
    ros, others = _split(arguments)
    for argument in others:
        if ASSIGNMENT in argument:
            raise ConfigError(f"{argument} is ignored by ROS 2: write --ros-args -p {argument}")
    for flag, value in pairwise(ros):
        if flag == FILE_FLAG:
            check_file(Path(value), node, kind)
        elif flag in PARAMETER_FLAGS:
            _check_parameter(value, node, kind)


def _check_parameter(rule: str, node: str, kind: type[Settings]) -> None:
    """Check `name:=value` or `node:name:=value`."""
    owner, _, name = rule.partition(ASSIGNMENT)[0].rpartition(":")
    if owner and not Block(owner, 0, {}, {}).applies_to(node):
        raise ConfigError(f"-p {rule} is for the node '{owner}', and this is {node}")
    if problem := unknown_parameter(name, kind):
        raise ConfigError(f"-p {rule}: {problem}")


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the ROS arguments, and the others."""
    parts: tuple[list[str], list[str]] = ([], [])
    inside = False
    for argument in arguments[1:]:
        if argument in (ROS_ARGUMENTS, END_OF_ROS_ARGUMENTS):
            inside = argument == ROS_ARGUMENTS
        else:
            parts[not inside].append(argument)
    return parts
