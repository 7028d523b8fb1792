"""Topics that are read by a thread of their owner, when it wants to know.

With callbacks in one thread and a loop in another, each waits for Python's lock while the other
has it, and the loop is late. A loop that acts on the newest only has no use for being woken either:
it looks just before it acts.
"""

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

# What the name of a node with polled subscriptions ends with, after that of its owner.
STREAMS = "_streams"


class PolledSubscriptions:
    """Subscriptions of a node whose callbacks run within `read`, in the thread that calls it.

    They belong to a node of their own, `<name>_streams`, as an executor would take all that comes
    to a node.

    Attributes:
        sequence: Number that the publisher of the message at hand gave it, for callbacks; None
            where the middleware does not number messages.
    """

    def __init__(self, node: Node) -> None:
        """Prepare.

        Args:
            node: Whose namespace and remappings hold.
        """
        self.sequence: int | None = None
        self._owner = node
        self._node = Node(
            f"{node.get_name()}{STREAMS}",
            namespace=node.get_namespace(),
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        self._subscriptions: list[Subscription] = []

    def subscribe(
        self, kind: Any, topic: str, callback: Callable[[bytes], None], qos: QoSProfile
    ) -> None:
        """Subscribe to the bytes of a topic, by the name that the owner would use."""
        name = self._owner.resolve_topic_name(topic)
        self._subscriptions.append(
            self._node.create_subscription(kind, name, callback, qos, raw=True)
        )

    def read(self) -> None:
        """Call each callback with the messages that its topic has queued, at most its depth."""
        for subscription in self._subscriptions:
            for _ in range(subscription.qos_profile.depth):
                with subscription.handle:
                    taken = subscription.handle.take_message(subscription.msg_type, True)
                if taken is None:
                    break
                message, info = taken
                self.sequence = info["publication_sequence_number"]
                subscription.callback(message)
