"""Topics are served in the thread of their owner, only while it serves them, by its names."""

import threading
import time
from collections.abc import Iterator

import pytest
from rclpy.node import Node
from std_msgs.msg import String

from dbp_ros.nodes.process import spinning
from dbp_ros.nodes.qos import COMMAND
from dbp_ros.nodes.streams import Streams

LIMIT_S = 10.0
SLICE_NS = 2_000_000


class Owner(Node):
    """A node with a namespace, a topic that is renamed, and streams."""

    def __init__(self) -> None:
        renamed = ["--ros-args", "-r", "orders:=/shop/orders"]
        super().__init__("owner", namespace="cell_1", cli_args=renamed)
        self.heard: list[tuple[str, int]] = []
        self.streams = Streams(self)
        for topic in ("news", "orders"):
            self.streams.subscribe(String, topic, self.hear, COMMAND)

    def hear(self, message: String) -> None:
        self.heard.append((message.data, threading.get_ident()))


@pytest.fixture
def owner(domain: int) -> Iterator[Owner]:
    with spinning(Owner) as node:
        yield node


def serve_until_heard(owner: Owner, topic: str, words: str) -> int:
    """Say words on a topic until they are heard; return the thread that heard them."""
    publisher = owner.create_publisher(String, topic, COMMAND)
    deadline = time.monotonic() + LIMIT_S
    while words not in dict(owner.heard):
        assert time.monotonic() < deadline, f"nothing came on {topic}"
        publisher.publish(String(data=words))
        owner.streams.serve(time.monotonic_ns() + SLICE_NS)
    return dict(owner.heard)[words]


def test_callbacks_run_in_the_thread_that_serves_under_the_names_of_the_owner(
    owner: Owner,
) -> None:
    assert serve_until_heard(owner, "/cell_1/news", "rain") == threading.get_ident()
    assert serve_until_heard(owner, "/shop/orders", "bread") == threading.get_ident()


def test_nothing_is_heard_while_nobody_serves(owner: Owner) -> None:
    serve_until_heard(owner, "/cell_1/news", "rain")
    owner.heard.clear()
    owner.create_publisher(String, "/cell_1/news", COMMAND).publish(String(data="snow"))
    time.sleep(0.3)
    assert owner.heard == []


def test_serving_ends_in_time_whether_something_comes_or_not(owner: Owner) -> None:
    begin_ns = time.monotonic_ns()
    owner.streams.serve(begin_ns + 30_000_000)
    assert time.monotonic_ns() - begin_ns >= 30_000_000
    owner.streams.serve(begin_ns)
    assert time.monotonic_ns() - begin_ns < 1_000_000_000
