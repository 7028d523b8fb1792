"""A bag contains its message definitions, so that any reader can decode it."""

from array import array
from pathlib import Path

import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool, Float64, String

from dbp_ros.data.bags.bag import BagTopic, BagWriter, EpisodeEnd, read_bag
from dbp_ros.errors import ConfigError
from dbp_ros.nodes.message_definitions import message_definition
from dbp_ros.nodes.steady_clock import ns_to_stamp


def messages():
    image = Image(height=2, width=3, encoding="rgb8", step=9, data=array("B", range(18)))
    joints = JointState(name=["elbow", "wrist"], position=array("d", (0.1, -2.5)))
    for message in (image, joints):
        message.header.stamp, message.header.frame_id = ns_to_stamp(1_234_567_890), "base_link"
    return {
        "sensor_msgs/msg/Image": image,
        "sensor_msgs/msg/JointState": joints,
        "std_msgs/msg/String": String(data="ä text"),
        "std_msgs/msg/Float64": Float64(data=1 / 3),
        "std_msgs/msg/Bool": Bool(data=True),
    }


@pytest.mark.parametrize("kind", messages())
def test_serialised_messages_are_read_from_a_bag_without_ros(kind: str, tmp_path: Path) -> None:
    message = messages()[kind]
    topics = {"it": BagTopic("/it", kind, message_definition(kind))}
    writer = BagWriter(tmp_path / "bag.mcap", topics, {"task": "toy"})
    writer.write("it", serialize_message(message), 7)
    writer.close(EpisodeEnd("success", "success", 8))
    ((stamp_ns, read),) = read_bag(tmp_path / "bag.mcap").messages["it"]
    assert stamp_ns == 7
    assert_same(message, read)


def assert_same(message: object, read: object) -> None:
    for name in message.get_fields_and_field_types():
        expected, found = getattr(message, name), getattr(read, name)
        if hasattr(expected, "get_fields_and_field_types"):
            assert_same(expected, found)
        elif isinstance(expected, array):
            assert list(expected) == list(found), name
        else:
            assert expected == found, name


def test_a_definition_includes_those_of_all_its_fields() -> None:
    text = message_definition("sensor_msgs/msg/Image")
    assert [line for line in text.splitlines() if line.startswith("MSG: ")] == [
        "MSG: std_msgs/Header",
        "MSG: builtin_interfaces/Time",
    ]


def test_a_type_that_is_not_installed_is_reported() -> None:
    with pytest.raises(ConfigError, match="the definition of no_msgs/msg/Such is not installed"):
        message_definition("no_msgs/msg/Such")
