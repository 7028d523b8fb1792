"""A stateful topic is received from latched and volatile publishers."""

import time
from collections.abc import Iterator

import pytest
from processes.fake_robot import wait_until
from rclpy.node import Node
from std_msgs.msg import String

from dbp_ros.nodes.process import spinning
from dbp_ros.nodes.qos import LATCHED
from dbp_ros.nodes.stateful_topic import subscribe_stateful


class Subscriber(Node):
    def __init__(self) -> None:
        super().__init__("subscriber")
        self.words: list[str] = []
        self.latched = self.create_publisher(String, "words", LATCHED)
        self.latched.publish(String(data="before"))
        subscribe_stateful(self, String, "words", lambda message: self.words.append(message.data))


@pytest.fixture
def subscriber(domain: int) -> Iterator[Subscriber]:
    with spinning(Subscriber) as node:
        yield node


def test_latched_messages_are_received_once_and_volatile_ones_too(subscriber: Subscriber) -> None:
    wait_until(lambda: "before" in subscriber.words, "the message from before")
    subscriber.latched.publish(String(data="after"))
    wait_until(lambda: "after" in subscriber.words, "the next message")
    time.sleep(0.3)
    assert subscriber.words == ["before", "after"]
    plain = subscriber.create_publisher(String, "words", 10)
    # `ros2 topic pub --once` blocks until there is a subscription.
    wait_until(lambda: plain.get_subscription_count() > 0, "a volatile subscription")
    plain.publish(String(data="plain"))
    wait_until(lambda: "plain" in subscriber.words, "the volatile publisher")
    subscriber.latched.publish(String(data="last"))
    wait_until(lambda: subscriber.words[-1] == "last", "the latched publisher")
    time.sleep(0.3)
    assert subscriber.words[:3] == ["before", "after", "plain"]
    assert set(subscriber.words[3:]) == {"last"}
