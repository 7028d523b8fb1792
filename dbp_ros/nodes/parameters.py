"""A settings dataclass as the parameters of a node."""

import typing
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

from dbp_ros.config import bounds, from_mapping
from dbp_ros.errors import ConfigError

Settings = TypeVar("Settings")


def load_settings(node: Node, kind: type[Settings]) -> Settings:
    """Declare one read-only parameter for each field of a dataclass and read them all.

    A whole number is taken for a float, as a person would write it.

    Raises:
        ConfigError: If a value has the wrong type or is out of its range.
    """
    values = {}
    hints = typing.get_type_hints(kind)
    for item in fields(kind):  # type: ignore[arg-type]
        default = None if item.default is MISSING else item.default
        parameter = node.declare_parameter(
            item.name,
            list(default) if isinstance(default, tuple) else default,
            _descriptor(item.metadata),
        )
        values[item.name] = _as_type(item.name, parameter.value, hints[item.name])
    return typing.cast(Settings, from_mapping(kind, values))


def _descriptor(metadata: typing.Mapping[str, Any]) -> ParameterDescriptor:
    """Describe a parameter; ranges are told in words, as the type may be a list or dynamic."""
    span = bounds(metadata.get("minimum"), metadata.get("maximum"))
    return ParameterDescriptor(
        description=f"{metadata['doc']} ({span})" if span else metadata["doc"],
        read_only=True,
        dynamic_typing=True,
    )


def _as_type(name: str, value: Any, hint: Any) -> Any:
    if typing.get_origin(hint) is tuple:
        element = typing.get_args(hint)[0]
        if value is None:
            return ()
        if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
            raise ConfigError(f"{name} is {value!r}, expected a list of {element.__name__}")
        return tuple(_as_type(name, item, element) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(
            f"{name} is {value!r} of type {type(value).__name__}, expected {hint.__name__}"
        )
    return value
