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


def is_own_report(node: Node, name: str) -> bool:
    """Return whether diagnostics of a controller manager are about the robot of a node's namespace.

    The name of a report on the global topic has no namespace: with several managers its robot is
    unknown. A simulated cell includes its namespace.

    Args:
        node: Node in the namespace of the robot.
        name: Name of the report.
    """
    source = name.partition(":")[0]
    if "/" in source:
        namespace: str = node.get_namespace()
        return source.strip("/").rpartition("/")[0] == namespace.strip("/")
    managers = [found for found, _ in node.get_node_names_and_namespaces() if found == source]
    return len(managers) <= 1


def publisher_names(node: Node, topic: str) -> list[str]:
    """Return the full names of the nodes that publish a topic, sorted, once per publisher."""
    infos = node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
    return sorted(map(full_name, infos))
