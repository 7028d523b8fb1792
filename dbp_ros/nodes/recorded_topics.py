"""Topics of a recorder: subscriptions to serialised messages, and their description in a bag."""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, JointState
from std_msgs.msg import Bool, Float64, Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.data.bags.bag import BagTopic
from dbp_ros.errors import EpisodeError
from dbp_ros.nodes.camera_images import camera_info_topic, transport_of
from dbp_ros.nodes.message_definitions import message_definition
from dbp_ros.nodes.qos import EVENTS, LATCHED, RECORDED
from dbp_ros.nodes.stateful_topic import subscribe_stateful
from dbp_ros.settings.recorder import RecorderConfig

# Types with one field, which are validated before they are recorded.
VALIDATED = (Bool, Float64, String)


class RecordedTopic(NamedTuple):
    """One topic of a recorder.

    Attributes:
        kind: Message type.
        name: Name, relative to the node.
        qos: QoS profile; `LATCHED` for a topic whose messages stay in effect.
    """

    kind: Any
    name: str
    qos: QoSProfile = RECORDED

    @property
    def type_name(self) -> str:
        """Name of the message type, such as `sensor_msgs/msg/Image`."""
        return f"{self.kind.__module__.split('.')[0]}/msg/{self.kind.__name__}"

    def value(self, data: bytes) -> Any:
        """Return the value of a serialised message of one field; None for other types.

        Raises:
            EpisodeError: If it cannot be deserialised, or is a number that is not finite.
        """
        if self.kind not in VALIDATED:
            return None
        try:
            value = deserialize_message(data, self.kind).data
        except RuntimeError as error:
            raise EpisodeError(f"{len(data)} bytes are no {self.kind.__name__}") from error
        if isinstance(value, float) and not math.isfinite(value):
            raise EpisodeError(f"{value}, expected a finite number")
        return value


def episode_topics(
    node: Node, cameras: Iterable[str], image_transport: str
) -> dict[str, RecordedTopic]:
    """Return the topics of an episode by role, as `BagEpisode` reads them.

    Args:
        node: Node that subscribes.
        cameras: Names of the cameras.
        image_transport: Name of the image transport.
    """
    images = transport_of(image_transport)
    return {
        "joint_states": RecordedTopic(JointState, "joint_states"),
        "decision": RecordedTopic(String, "decision", EVENTS),
        "reward": RecordedTopic(Float64, "reward"),
        "success": RecordedTopic(Bool, "success", LATCHED),
        "intervention": RecordedTopic(Bool, "intervention", LATCHED),
        "guard_state": RecordedTopic(String, "guard/state", LATCHED),
        **{
            f"image.{camera}": RecordedTopic(images.message_type, images.topic(node, camera))
            for camera in cameras
        },
    }


def recorder_topics(node: Node, config: RecorderConfig) -> dict[str, RecordedTopic]:
    """Return the topics of the recorder by role."""
    return {
        **episode_topics(node, config.cameras, config.image_transport),
        "chunk": RecordedTopic(JointTrajectory, "action_chunk"),
        "operator_chunk": RecordedTopic(JointTrajectory, "operator_chunk"),
        "model": RecordedTopic(String, "policy/model", LATCHED),
        **{
            f"command.{controller}": RecordedTopic(Float64MultiArray, f"{controller}/commands")
            for controller in config.controllers
        },
        **{
            f"camera_info.{camera}": RecordedTopic(CameraInfo, camera_info_topic(node, camera))
            for camera in config.cameras
        },
    }


def bag_topics(node: Node, topics: Mapping[str, RecordedTopic]) -> dict[str, BagTopic]:
    """Return the description of topics for a bag, by role.

    Raises:
        ConfigError: If the definition of a message type is not installed.
    """
    return {
        role: BagTopic(
            node.resolve_topic_name(topic.name),
            topic.type_name,
            message_definition(topic.type_name),
            latched=topic.qos is LATCHED,
        )
        for role, topic in topics.items()
    }


def subscribe_recorded(
    node: Node,
    topics: Mapping[str, RecordedTopic],
    record: Callable[[str, bytes], None],
    on_lost: Callable[[str, int], None] | None = None,
) -> None:
    """Subscribe to the serialised messages of topics.

    Args:
        node: Node that subscribes.
        topics: The topics, by role.
        record: Called with the role and each message.
        on_lost: Called with the role and the number of messages that the middleware has lost.
    """
    for role, topic in topics.items():
        callback = partial(record, role)
        if topic.qos is LATCHED:
            subscribe_stateful(node, topic.kind, topic.name, callback, raw=True)
            continue
        events = None
        if on_lost is not None:
            events = SubscriptionEventCallbacks(message_lost=partial(_report, on_lost, role))
        node.create_subscription(
            topic.kind, topic.name, callback, topic.qos, raw=True, event_callbacks=events
        )


def _report(on_lost: Callable[[str, int], None], role: str, event: Any) -> None:
    on_lost(role, event.total_count_change)
