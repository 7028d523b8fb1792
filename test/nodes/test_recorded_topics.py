"""Topics and requests of a recorder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import rclpy
from rclpy.node import Node
from rclpy.serialization import serialize_message
from std_msgs.msg import Float64, String

from dbp_ros.data.recording.recording_manifest import manifest_of
from dbp_ros.errors import EpisodeError
from dbp_ros.nodes.conversions import trajectory_message
from dbp_ros.nodes.qos import LATCHED
from dbp_ros.nodes.recorded_topics import RecordedTopic, bag_topics, recorder_topics
from dbp_ros.nodes.recorder_node import with_chunk_step
from dbp_ros.sensing.pressed_buttons import PressedButtons
from dbp_ros.settings.recorder import RecorderConfig

CONFIG = RecorderConfig(
    cameras=("head",), controllers=("arm",), controller_sizes=(2,), joints=("a", "b")
)


@contextmanager
def started(*rules: str) -> Iterator[Node]:
    """Start a node with remap rules."""
    rclpy.init(args=["--ros-args", *(word for rule in rules for word in ("-r", rule))])
    try:
        node = Node("recorder")
        yield node
        node.destroy_node()
    finally:
        rclpy.try_shutdown()


def test_a_recorder_has_the_topics_of_every_camera_and_controller(domain: int) -> None:
    with started() as node:
        found = bag_topics(node, recorder_topics(node, CONFIG))
    assert {role: topic.topic for role, topic in found.items()} == {
        "joint_states": "/joint_states",
        "decision": "/decision",
        "reward": "/reward",
        "success": "/success",
        "intervention": "/intervention",
        "guard_state": "/guard/state",
        "image.head": "/head/image_raw",
        "chunk": "/action_chunk",
        "operator_chunk": "/operator_chunk",
        "model": "/policy/model",
        "command.arm": "/arm/commands",
        "camera_info.head": "/head/camera_info",
    }
    assert found["image.head"].type_name == "sensor_msgs/msg/Image"
    assert found["guard_state"].latched
    assert not found["reward"].latched


@pytest.mark.parametrize(
    ("rules", "info"),
    [
        (["head/image_raw:=/camera/color/image_raw"], "/camera/color/camera_info"),
        (["head/camera_info:=/mine"], "/mine"),
        (["head/image_raw:=/image"], "/camera_info"),
    ],
)
def test_the_intrinsics_are_next_to_the_images(domain: int, rules: list[str], info: str) -> None:
    with started(*rules) as node:
        assert bag_topics(node, recorder_topics(node, CONFIG))["camera_info.head"].topic == info


def test_a_number_that_is_not_finite_or_no_message_is_refused() -> None:
    reward, word = RecordedTopic(Float64, "reward"), RecordedTopic(String, "state", LATCHED)
    assert reward.value(serialize_message(Float64(data=0.5))) == 0.5
    assert word.value(serialize_message(String(data="holding"))) == "holding"
    with pytest.raises(EpisodeError, match="nan, expected a finite number"):
        reward.value(serialize_message(Float64(data=float("nan"))))
    with pytest.raises(EpisodeError, match="2 bytes are no Float64"):
        reward.value(b"\0\1")


def test_the_step_of_an_episode_is_that_of_the_last_chunk() -> None:
    manifest = manifest_of(CONFIG)
    chunk = trajectory_message(CONFIG.joints, np.array([0.03, 0.06]), np.zeros((2, 2)))
    found = with_chunk_step(manifest, serialize_message(chunk))
    assert found == replace(manifest, step_s=0.03)


@pytest.mark.parametrize("times_s", [[], [0.03], [0.03, 0.03]])
def test_without_two_points_the_step_is_that_of_the_commands(times_s: list[float]) -> None:
    manifest = manifest_of(CONFIG)
    chunk = trajectory_message(CONFIG.joints, np.array(times_s), np.zeros((len(times_s), 2)))
    assert with_chunk_step(manifest, serialize_message(chunk)) == manifest
    assert with_chunk_step(manifest, b"") == with_chunk_step(manifest, b"\0\1") == manifest


def test_a_button_counts_when_it_is_pressed_and_not_while_it_is_held_down() -> None:
    buttons = PressedButtons()
    pressed = [buttons.update(values) for values in ([1, 0], [1, 1], [1, 1], [0, 0], [1, 1])]
    assert pressed == [[], [1], [], [], [0, 1]]
    assert buttons.update([0]) == []
