"""Topics that are served by a thread of their owner, between the things that it does on time.

With callbacks in one thread and a loop in another, each waits for Python's lock while the other
has it, and the loop is late. A loop that serves its own topics waits for nobody.
"""

import time
from collections.abc import Callable
from typing import Any

from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile


class Streams:
    """Subscriptions of a node whose callbacks run within `serve`, in the thread that calls it.

    They belong to a node of their own, `<name>_streams`, as an executor serves all of a node.
    """

    def __init__(self, node: Node) -> None:
        """Prepare.

        Args:
            node: Whose namespace and remappings hold.
        """
        self._owner = node
        self._node = Node(
            f"{node.get_name()}_streams",
            namespace=node.get_namespace(),
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        self._executor = EventsExecutor()
        self._executor.add_node(self._node)

    def subscribe(
        self, kind: Any, topic: str, callback: Callable[[Any], None], qos: QoSProfile
    ) -> None:
        """Subscribe to a topic by the name that the owner would use."""
        name = self._owner.resolve_topic_name(topic)
        self._node.create_subscription(kind, name, callback, qos)

    def serve(self, until_ns: int) -> None:
        """Take what comes until a time of the steady clock."""
        while (left_ns := until_ns - time.monotonic_ns()) > 0:
            self._executor.spin_once(timeout_sec=left_ns * 1e-9)
