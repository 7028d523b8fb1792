"""Names of the nodes of publishers and subscriptions in the ROS graph."""

from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo

# An endpoint is discovered before the name of its node.
UNDISCOVERED = "_NODE_NAME_UNKNOWN_"
UNNAMED = "a node of unknown name"


def full_name(endpoint: TopicEndpointInfo) -> str:
    """Return the full name of the node of an endpoint, if it has been discovered."""
    if endpoint.node_name == UNDISCOVERED:
        return UNNAMED
    return f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}"


def publisher_names(node: Node, topic: str) -> list[str]:
    """Return the full names of the nodes that publish a topic, sorted, once per publisher."""
    infos = node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
    return sorted(map(full_name, infos))
