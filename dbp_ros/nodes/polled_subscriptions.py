"""Subscriptions that a loop polls, instead of callbacks in another thread.

A thread with callbacks would contend with the loop for Python's global interpreter lock and delay
it. A loop that needs only the newest messages polls them just before it uses them.
"""

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

# Suffix of the name of a node with polled subscriptions.
NODE_SUFFIX = "_streams"


class PolledSubscriptions:
    """Subscriptions whose callbacks run in `poll`, in the thread that calls it.

    They belong to a separate node, `<name>_streams`, as the executor of the owner would take their
    messages.

    Attributes:
        sequence: Sequence number of the current message, for callbacks; None if the middleware has
            none.
    """

    def __init__(self, node: Node) -> None:
        """Create the node.

        Args:
            node: Owner, whose namespace and remappings apply.
        """
        self.sequence: int | None = None
        self._owner = node
        self._node = Node(
            f"{node.get_name()}{NODE_SUFFIX}",
            namespace=node.get_namespace(),
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        self._subscriptions: list[Subscription] = []

    def subscribe(
        self, kind: Any, topic: str, callback: Callable[[bytes], None], qos: QoSProfile
    ) -> None:
        """Subscribe to the serialised messages of a topic, with the remappings of the owner."""
        name = self._owner.resolve_topic_name(topic)
        self._subscriptions.append(
            self._node.create_subscription(kind, name, callback, qos, raw=True)
        )

    def poll(self) -> None:
        """Call each callback with the queued messages of its topic, at most its depth."""
        for subscription in self._subscriptions:
            for _ in range(subscription.qos_profile.depth):
                with subscription.handle:
                    taken = subscription.handle.take_message(subscription.msg_type, True)
                if taken is None:
                    break
                message, info = taken
                self.sequence = info["publication_sequence_number"]
                subscription.callback(message)

    def close(self) -> None:
        """Destroy the node and its subscriptions; no thread may poll."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        self._node.destroy_node()
