"""Topics whose last message stays in effect until the next one."""

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.subscription import Subscription

from dbp_ros.nodes.qos import EVENTS, LATCHED


def subscribe_stateful(
    node: Node, kind: Any, topic: str, callback: Callable[[Any], None], raw: bool = False
) -> None:
    """Subscribe to latched and volatile publishers of a topic.

    A transient-local subscription receives the last message of a latched publisher, but DDS does
    not connect it to a volatile publisher, such as `ros2 topic pub`. When one appears, a second,
    volatile subscription is created. It also receives the messages of latched publishers, so the
    callback must accept duplicates.

    Args:
        node: Node that subscribes.
        kind: Message type.
        topic: Topic name, relative to the node.
        callback: Called with each message.
        raw: Whether to pass on serialised messages.
    """
    volatile: list[Subscription] = []

    def on_incompatible_qos(_: Any) -> None:
        try:
            if not volatile:
                volatile.append(node.create_subscription(kind, topic, callback, EVENTS, raw=raw))
        except Exception as error:
            # `EventsExecutor` crashes on an exception in this kind of callback.
            node.get_logger().error(f"cannot subscribe to volatile publishers of {topic}: {error}")

    events = SubscriptionEventCallbacks(incompatible_qos=on_incompatible_qos)
    node.create_subscription(kind, topic, callback, LATCHED, raw=raw, event_callbacks=events)
