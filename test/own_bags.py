"""Bags on disk, as the recorders of this package write them, without ROS."""

from pathlib import Path
from typing import Any

import numpy as np
from foreign_bags import TYPES, floats, joint_state

from dbp_ros.data.bags.bag import Bag, BagTopic, BagWriter
from dbp_ros.data.bags.joint_messages import stamp_of

IMAGE, JOINT_STATE, STRING, FLOAT = (
    *("sensor_msgs/msg/Image", "sensor_msgs/msg/JointState"),
    *("std_msgs/msg/String", "std_msgs/msg/Float64"),
)
COMMANDS, BOOL = "std_msgs/msg/Float64MultiArray", "std_msgs/msg/Bool"
KINDS = {"joint_states": JOINT_STATE, "decision": STRING, "reward": FLOAT, "intervention": BOOL}


def kind_of(role: str) -> str:
    """Return the message type of a role."""
    prefixes = {"image.": IMAGE, "command.": COMMANDS}
    return next(
        (kind for p, kind in prefixes.items() if role.startswith(p)), KINDS.get(role, STRING)
    )


def topic_of(role: str) -> str:
    """Return the topic of a role in the namespace of a cell."""
    if role.startswith("image."):
        return f"/cell/{role.removeprefix('image.')}/image_raw"
    if role.startswith("command."):
        return f"/cell/{role.removeprefix('command.')}/commands"
    return f"/cell/{role}"


def ros_message(role: str, message: Any) -> Any:
    """Return a message in memory with the types of the library."""
    kind = kind_of(role)
    if kind == JOINT_STATE:
        return joint_state(message.name, message.position, stamp_of(message))
    if kind == COMMANDS:
        return floats(message.data)
    if kind != IMAGE:
        return TYPES.types[kind](message.data)
    header = TYPES.types["std_msgs/msg/Header"](
        TYPES.types["builtin_interfaces/msg/Time"](
            message.header.stamp.sec, message.header.stamp.nanosec
        ),
        "camera",
    )
    fields = (message.height, message.width, message.encoding, 0, message.step)
    return TYPES.types[IMAGE](header, *fields, np.frombuffer(message.data, np.uint8))


def write_own_bag(path: Path, bag: Bag, compression: str = "none") -> Path:
    """Write a bag in memory, such as one of `record_bag`, to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    topics = {
        role: BagTopic(topic_of(role), kind, TYPES.generate_msgdef(kind, ros_version=2)[0])
        for role in bag.messages
        for kind in [kind_of(role)]
    }
    writer = BagWriter(path, topics, bag.metadata, compression)
    messages = [(ns, role, one) for role, found in bag.messages.items() for ns, one in found]
    for stamp_ns, role, message in sorted(messages, key=lambda item: item[0]):
        data = TYPES.serialize_cdr(ros_message(role, message), kind_of(role))
        writer.write(role, bytes(data), stamp_ns)
    writer.close(bag.end)
    return path
