"""Checks of ROS 2 parameter files against the settings of the nodes of the stack.

ROS 2 ignores a key that no node declares and a block that matches no node. Here both are errors.
Files are checked before the stack starts and in the node.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from dbp_ros.errors import ConfigError
from dbp_ros.settings.dual_ur5e import DEFAULT_ROBOT
from dbp_ros.settings.fields import Settings, convert, from_mapping, leaves
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.learner import LearnerConfig
from dbp_ros.settings.panel import PanelConfig
from dbp_ros.settings.parameter_yaml import Block, nearest, read_blocks, suggestion
from dbp_ros.settings.policy import ModelSenderConfig, PolicyConfig
from dbp_ros.settings.recorder import RecorderConfig
from dbp_ros.settings.robot_files import read_robot, settings_for, settings_for_joints
from dbp_ros.settings.simulation import SimulationConfig
from dbp_ros.settings.teleop import TeleopConfig
from dbp_ros.settings.view import ViewConfig

# Settings of each node of the stack with parameters.
NODES: Mapping[str, type[Settings]] = {
    "guard": GuardConfig,
    "policy": PolicyConfig,
    "learner": LearnerConfig,
    "simulation": SimulationConfig,
    "recorder": RecorderConfig,
    "teleop": TeleopConfig,
    "view": ViewConfig,
    "panel": PanelConfig,
    "model_sender": ModelSenderConfig,
}
# Parameters that rclpy declares in every node; both are of type bool.
STANDARD = ("use_sim_time", "start_type_description_service")
QOS_OVERRIDES = "qos_overrides."
Kind = TypeVar("Kind", bound=Settings)


def check_file(path: Path, node: str, kind: type[Settings]) -> dict[str, Any]:
    """Check the parameter file of a node.

    Args:
        path: The file, which may also have blocks for other nodes of the stack.
        node: Fully qualified name of the node, such as `/cell/guard`.
        kind: Settings dataclass of the node.

    Returns:
        The parameters of the node, with types and ranges checked.

    Raises:
        ConfigError: If ROS 2 cannot read the file, a block matches no node of the stack, none
            matches this node, a key is unknown, or a value has the wrong type or is out of range.
    """
    namespace = node.rpartition("/")[0]
    nodes = {f"{namespace}/{name}": settings for name, settings in NODES.items()} | {node: kind}
    blocks, own = read_blocks(path), dict[str, Any]()
    for block in blocks:
        kinds = {name: nodes[name] for name in nodes if block.applies_to(name)}
        if not kinds:
            raise ConfigError(f"{path}, line {block.line}: {_wrong_name(block.key, node, nodes)}")
        if block.applies_to(node):
            kinds = {node: kind}
            own |= block.values
        for settings in kinds.values():
            _check_block(path, block, settings)
    if blocks and not any(block.applies_to(node) for block in blocks):
        keys = ", ".join(block.key for block in blocks)
        raise ConfigError(
            f"{path} has parameters for {keys} but none for {node}: use the key '/**'"
        )
    return own


def _check_block(path: Path, block: Block, kind: type[Settings]) -> None:
    for name in block.values:
        if problem := unknown_parameter(name, kind):
            raise ConfigError(f"{path}, line {block.lines[name]}: {problem}")
    try:
        own = _own(block.values)
        from_mapping(kind, own)
        if "robot" in own:
            read_robot(own["robot"])
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def settings_of(kind: type[Kind], values: Mapping[str, Any]) -> Kind:
    """Return the settings of parameters, without those that rclpy declares in every node.

    Values that are not given follow from the description of the robot, by the names of the joints.

    Raises:
        ConfigError: If a name is unknown, a value has the wrong type or is out of its range, or
            `joints` are given without values that the description has only for other joints.
    """
    own = _own(values)
    return from_mapping(kind, {**robot_settings(kind, own), **own})


def _own(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters without those that rclpy declares, after a check of their types."""
    for name in STANDARD:
        if name in values:
            convert(bool, values[name], name)
    return {name: value for name, value in values.items() if not is_standard(name)}


def robot_settings(kind: type[Settings], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a node that follow from a description of a robot.

    Args:
        kind: Settings dataclass of the node.
        given: Parameters of the node. Without `robot` and `joints` nothing is returned.

    Raises:
        ConfigError: If the description is invalid, or has no values for `joints`.
    """
    if not {"robot", "joints"} & given.keys():
        return {}
    known = {item.name for item in fields(kind)}
    robot = convert(str, given.get("robot", DEFAULT_ROBOT), "robot")
    found = {name: value for name, value in settings_for(robot).items() if name in known}
    if "joints" not in given:
        return found
    joints = convert(tuple[str, ...], given["joints"], "joints")
    own = settings_for_joints(robot, joints)
    if lacking := [name for name in found if name not in own and name not in given]:
        raise ConfigError(
            f"joints is {', '.join(joints)}, and the description of {robot} does not have these "
            f"joints, or not in the order of its controllers: set {', '.join(lacking)} too, or "
            "describe the robot in a file and set robot to it"
        )
    return {name: own[name] for name in found if name in own}


def is_standard(name: str) -> bool:
    """Return whether rclpy declares a parameter in every node."""
    return name in STANDARD or name.startswith(QOS_OVERRIDES)


def unknown_parameter(name: str, kind: type[Settings]) -> str:
    """Return the problem of an unknown parameter of a node; empty for a known one."""
    known = names_of(kind)
    if name in known or is_standard(name):
        return ""
    what = f"{name} is not a parameter of the {_title(kind)}"
    if near := nearest(name, (*known, *STANDARD)):
        return f"{what}: did you mean {near}?"
    others = [node for node, other in NODES.items() if name in names_of(other)]
    if others:
        return f"{what}; it belongs to {' and '.join(others)}"
    return f"{what}; its parameters are {', '.join(known)}"


def names_of(kind: type[Settings]) -> list[str]:
    """Return the names of the parameters of a node."""
    return [leaf.name for leaf in leaves(kind())]


def _title(kind: type[Settings]) -> str:
    names = (name.replace("_", " ") for name, settings in NODES.items() if settings is kind)
    return next(names, "node")


def _wrong_name(key: str, node: str, nodes: Iterable[str]) -> str:
    name = key.rpartition("/")[2]
    if any(name == other.rpartition("/")[2] for other in nodes):
        meant = f"{node.rpartition('/')[0]}/{name}"
        return f"'{key}' does not match {meant}: use the key '/**' or '/**/{name}'"
    names = [other.rpartition("/")[2] for other in nodes]
    guess = suggestion(name, names, f"expected '/**' or one of {', '.join(names)}")
    return f"'{key}' is not a node of the stack{guess}"
