"""What holds is heard from every publisher, and by those that come later too."""

import time
from collections.abc import Iterator

import pytest
from processes.robot import wait_until
from rclpy.node import Node
from std_msgs.msg import String

from dbp_ros.nodes.process import spinning
from dbp_ros.nodes.qos import LATCHED
from dbp_ros.nodes.stateful_topic import subscribe_stateful


class Hearer(Node):
    def __init__(self) -> None:
        super().__init__("hearer")
        self.words: list[str] = []
        self.latched = self.create_publisher(String, "words", LATCHED)
        self.latched.publish(String(data="before"))
        subscribe_stateful(self, String, "words", lambda message: self.words.append(message.data))


@pytest.fixture
def hearer(domain: int) -> Iterator[Hearer]:
    with spinning(Hearer) as node:
        yield node


def test_who_latches_is_heard_once_and_who_does_not_latch_is_heard_too(hearer: Hearer) -> None:
    wait_until(lambda: "before" in hearer.words, "what was said before")
    hearer.latched.publish(String(data="after"))
    wait_until(lambda: "after" in hearer.words, "what is said after")
    time.sleep(0.3)
    assert hearer.words == ["before", "after"]
    plain = hearer.create_publisher(String, "words", 10)
    # As `ros2 topic pub --once` does, which would wait for ever otherwise.
    wait_until(lambda: plain.get_subscription_count() > 0, "a subscription that does not latch")
    plain.publish(String(data="plain"))
    wait_until(lambda: "plain" in hearer.words, "who does not latch")
    hearer.latched.publish(String(data="last"))
    wait_until(lambda: hearer.words[-1] == "last", "who latches")
    time.sleep(0.3)
    assert hearer.words[:3] == ["before", "after", "plain"]
    assert set(hearer.words[3:]) == {"last"}
