"""Subscriptions run in the thread that polls them, with the remappings of the owner."""

import threading
import time
from collections.abc import Iterator

import pytest
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from std_msgs.msg import String

from dbp_ros.nodes.polled_subscriptions import PolledSubscriptions
from dbp_ros.nodes.process import spinning
from dbp_ros.nodes.qos import COMMAND

LIMIT_S = 10.0
PAUSE_S = 0.002


class Owner(Node):
    """A node with a namespace, a remapped topic and polled subscriptions."""

    def __init__(self) -> None:
        renamed = ["--ros-args", "-r", "orders:=/shop/orders"]
        super().__init__("owner", namespace="cell_1", cli_args=renamed)
        self.received: list[tuple[str, int]] = []
        self.polled = PolledSubscriptions(self)
        for topic in ("news", "orders"):
            self.polled.subscribe(String, topic, self.on_message, COMMAND)

    def on_message(self, message: bytes) -> None:
        text = deserialize_message(message, String).data
        self.received.append((text, threading.get_ident()))


@pytest.fixture
def owner(domain: int) -> Iterator[Owner]:
    with spinning(Owner) as node:
        yield node


def poll_until_received(owner: Owner, topic: str, text: str) -> int:
    """Publish a text until it is received; return the thread of the callback."""
    publisher = owner.create_publisher(String, topic, COMMAND)
    deadline = time.monotonic() + LIMIT_S
    while text not in dict(owner.received):
        assert time.monotonic() < deadline, f"nothing arrived on {topic}"
        publisher.publish(String(data=text))
        time.sleep(PAUSE_S)
        owner.polled.poll()
    return dict(owner.received)[text]


def test_callbacks_run_in_the_polling_thread_with_the_remappings_of_the_owner(
    owner: Owner,
) -> None:
    assert poll_until_received(owner, "/cell_1/news", "rain") == threading.get_ident()
    assert poll_until_received(owner, "/shop/orders", "bread") == threading.get_ident()


def test_only_the_newest_message_is_received_and_only_by_polling(owner: Owner) -> None:
    poll_until_received(owner, "/cell_1/news", "rain")
    owner.received.clear()
    publisher = owner.create_publisher(String, "/cell_1/news", COMMAND)
    deadline = time.monotonic() + LIMIT_S
    while publisher.get_subscription_count() == 0 and time.monotonic() < deadline:
        time.sleep(PAUSE_S)
    for text in ("hail", "snow"):
        publisher.publish(String(data=text))
    time.sleep(0.3)
    assert owner.received == []
    owner.polled.poll()
    owner.polled.poll()
    assert [text for text, _ in owner.received] == ["snow"]


def test_polling_does_not_block(owner: Owner) -> None:
    began_s = time.monotonic()
    owner.polled.poll()
    assert time.monotonic() - began_s < 1.0
    assert owner.received == []
