"""Topics on which what was said holds until something else is said."""

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.subscription import Subscription

from dbp_ros.nodes.qos import EVERY, LATCHED


def subscribe_stateful(
    node: Node, kind: Any, topic: str, hear: Callable[[Any], None], raw: bool = False
) -> None:
    """Hear every publisher of a topic, whether it latches or not.

    A latched subscription is told what was said before it came, but DDS does not let it hear who
    does not latch, as `ros2 topic pub` and any publisher with the default settings. When one such
    comes, a second subscription hears it; from then on it also hears a second time what others
    say, which makes no difference to what holds.

    Args:
        node: Who hears.
        kind: Type of the messages.
        topic: Its name, relative to the node.
        hear: Called with each message.
        raw: Whether to hand over messages as they came over the wire.
    """
    plain: list[Subscription] = []

    def hear_who_does_not_latch(_: Any) -> None:
        try:
            if not plain:
                plain.append(node.create_subscription(kind, topic, hear, EVERY, raw=raw))
        except Exception as error:
            # The executor of these releases crashes on what leaves this kind of callback.
            node.get_logger().error(f"{topic} is not read from who does not latch: {error}")

    events = SubscriptionEventCallbacks(incompatible_qos=hear_who_does_not_latch)
    node.create_subscription(kind, topic, hear, LATCHED, raw=raw, event_callbacks=events)
