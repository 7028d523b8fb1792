"""Messages of exported bags, serialised without ROS."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dbp_ros.data.bags.rosbag import BOOL, COMMANDS, COMPRESSED_IMAGE, FLOAT, JOINT_STATE, TYPES
from dbp_ros.data.png import encode_png
from dbp_ros.types import NS_PER_S, Floats, Image


def joint_state_message(names: Sequence[str], positions: Floats, stamp_ns: int) -> bytes:
    """Return positions of joints as `sensor_msgs/msg/JointState`.

    Args:
        names: Names of the joints.
        positions: In [rad] and [m]. Shape (joints,).
        stamp_ns: Stamp in the header.
    """
    none = np.zeros(0)
    values = positions.astype(np.float64)
    return _serialised(JOINT_STATE, _header(stamp_ns), list(names), values, none, none)


def commands_message(positions: Floats) -> bytes:
    """Return the commands of a controller as `std_msgs/msg/Float64MultiArray`.

    Args:
        positions: In [rad] and [m]. Shape (joints,).
    """
    layout = TYPES.types["std_msgs/msg/MultiArrayLayout"]([], 0)
    return _serialised(COMMANDS, layout, positions.astype(np.float64))


def image_message(pixels: Image, stamp_ns: int) -> bytes:
    """Return an image as `sensor_msgs/msg/CompressedImage` with a PNG file.

    Args:
        pixels: rgb8. Shape (height, width, 3).
        stamp_ns: Stamp in the header.
    """
    file = np.frombuffer(encode_png(pixels), np.uint8)
    return _serialised(COMPRESSED_IMAGE, _header(stamp_ns), "png", file)


def reward_message(reward: float) -> bytes:
    """Return a reward as `std_msgs/msg/Float64`."""
    return _serialised(FLOAT, reward)


def intervention_message(by_human: bool) -> bytes:
    """Return whether a human drives as `std_msgs/msg/Bool`."""
    return _serialised(BOOL, by_human)


def _header(stamp_ns: int) -> Any:
    stamp = TYPES.types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, NS_PER_S))
    return TYPES.types["std_msgs/msg/Header"](stamp, "")


def _serialised(kind: str, *fields: Any) -> bytes:
    return bytes(TYPES.serialize_cdr(TYPES.types[kind](*fields), kind))
