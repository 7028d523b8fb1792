"""The ROS graph: nodes, topics and their endpoints."""

from collections.abc import Iterable
from typing import Any

from rclpy.node import Node, NodeNameNonExistentError
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from dbp_ros.diagnosis.snapshot import Endpoint, TopicStatus
from dbp_ros.nodes.endpoints import UNDISCOVERED, full_name
from dbp_ros.nodes.guard_inputs import OPERATOR_CHUNKS
from dbp_ros.nodes.polled_subscriptions import NODE_SUFFIX

JOINT_STATE, TRAJECTORY = "sensor_msgs/msg/JointState", "trajectory_msgs/msg/JointTrajectory"
# Prefix of the nodes of tools, which are no part of a stack.
HIDDEN = "_"


class RosGraph:
    """The ROS graph as discovered by one node."""

    def __init__(self, node: Node, namespace: str) -> None:
        """Use the graph of a node.

        Args:
            node: Observing node.
            namespace: Namespace of the stack; empty for the root.
        """
        self._node = node
        self._namespace = namespace

    def nodes(self) -> list[str]:
        """Return the full names of all nodes, with duplicates."""
        return [
            f"{namespace.rstrip('/')}/{name}"
            for name, namespace in self._node.get_node_names_and_namespaces()
            if not name.startswith(HIDDEN) and not name.endswith(NODE_SUFFIX)
        ]

    def subscribed(self, name: str, kinds: Iterable[str]) -> dict[str, str]:
        """Return the subscribed topics of a node of the stack with given types, and their types."""
        wanted = set(kinds)
        found: dict[str, str] = {}
        for node in (name, f"{name}{NODE_SUFFIX}"):
            try:
                topics = self._node.get_subscriber_names_and_types_by_node(
                    node, self._namespace or "/"
                )
            except NodeNameNonExistentError:
                continue
            found |= {topic: types[0] for topic, types in topics if wanted & set(types)}
        return found

    def inputs_of_guard(self, kind: str) -> list[str]:
        """Return the topics of joint states or of the policy's chunks, which may be remapped.

        Args:
            kind: `JOINT_STATE` or `TRAJECTORY`.

        Returns:
            Full names: one, unless it is not discovered yet or `operator_chunk` is remapped.
        """
        return [t for t in self.subscribed("guard", (kind,)) if not t.endswith(OPERATOR_CHUNKS)]

    def published(self, name: str, kind: str) -> list[str]:
        """Return the topics of a type that a node of the stack publishes."""
        try:
            topics = self._node.get_publisher_names_and_types_by_node(name, self._namespace or "/")
        except NodeNameNonExistentError:
            return []
        return [topic for topic, types in topics if kind in types]

    def published_by_any(self, kinds: Iterable[str]) -> dict[str, str]:
        """Return all topics of given types that have a publisher, and their types."""
        wanted = set(kinds)
        return {
            topic: types[0]
            for topic, types in self._node.get_topic_names_and_types()
            if wanted & set(types) and self._node.count_publishers(topic)
        }

    def subscribed_by_any(self, kind: str) -> list[str]:
        """Return all topics of a type that have a subscriber."""
        return [
            topic
            for topic, types in self._node.get_topic_names_and_types()
            if kind in types and self._node.count_subscribers(topic)
        ]

    def topic(self, name: str, rate_hz: float | None = None) -> TopicStatus:
        """Return a topic with its publishers and subscribers, without those of tools."""
        return TopicStatus(
            name,
            _endpoints(self._node.get_publishers_info_by_topic(name)),
            _endpoints(self._node.get_subscriptions_info_by_topic(name)),
            rate_hz,
        )


def _endpoints(infos: Iterable[Any]) -> tuple[Endpoint, ...]:
    return tuple(
        Endpoint(
            full_name(info).removesuffix(NODE_SUFFIX),
            info.topic_type,
            info.qos_profile.reliability == ReliabilityPolicy.RELIABLE,
            info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL,
        )
        for info in infos
        if not info.node_name.startswith(HIDDEN) or info.node_name == UNDISCOVERED
    )
