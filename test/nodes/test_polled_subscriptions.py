"""Topics are read in the thread of their owner, only when it reads them, by its names."""

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
    """A node with a namespace, a topic that is renamed, and streams."""

    def __init__(self) -> None:
        renamed = ["--ros-args", "-r", "orders:=/shop/orders"]
        super().__init__("owner", namespace="cell_1", cli_args=renamed)
        self.heard: list[tuple[str, int]] = []
        self.streams = PolledSubscriptions(self)
        for topic in ("news", "orders"):
            self.streams.subscribe(String, topic, self.hear, COMMAND)

    def hear(self, message: bytes) -> None:
        words = deserialize_message(message, String).data
        self.heard.append((words, threading.get_ident()))


@pytest.fixture
def owner(domain: int) -> Iterator[Owner]:
    with spinning(Owner) as node:
        yield node


def read_until_heard(owner: Owner, topic: str, words: str) -> int:
    """Say words on a topic until they are heard; return the thread that heard them."""
    publisher = owner.create_publisher(String, topic, COMMAND)
    deadline = time.monotonic() + LIMIT_S
    while words not in dict(owner.heard):
        assert time.monotonic() < deadline, f"nothing came on {topic}"
        publisher.publish(String(data=words))
        time.sleep(PAUSE_S)
        owner.streams.read()
    return dict(owner.heard)[words]


def test_callbacks_run_in_the_thread_that_reads_under_the_names_of_the_owner(
    owner: Owner,
) -> None:
    assert read_until_heard(owner, "/cell_1/news", "rain") == threading.get_ident()
    assert read_until_heard(owner, "/shop/orders", "bread") == threading.get_ident()


def test_nothing_is_heard_while_nobody_reads_and_then_the_newest_alone(owner: Owner) -> None:
    read_until_heard(owner, "/cell_1/news", "rain")
    owner.heard.clear()
    publisher = owner.create_publisher(String, "/cell_1/news", COMMAND)
    deadline = time.monotonic() + LIMIT_S
    while publisher.get_subscription_count() == 0 and time.monotonic() < deadline:
        time.sleep(PAUSE_S)
    for words in ("hail", "snow"):
        publisher.publish(String(data=words))
    time.sleep(0.3)
    assert owner.heard == []
    owner.streams.read()
    owner.streams.read()
    assert [words for words, _ in owner.heard] == ["snow"]


def test_reading_does_not_wait(owner: Owner) -> None:
    began_s = time.monotonic()
    owner.streams.read()
    assert time.monotonic() - began_s < 1.0
    assert owner.heard == []
