"""Callbacks of an operator's command, between and during its requests."""

import time
from collections.abc import Iterator

import pytest
from std_msgs.msg import String

from dbp_ros.nodes.connection import connected
from dbp_ros.nodes.operator_client import OperatorClient

TIMEOUT_S = 10.0


@pytest.fixture
def operator(domain: int) -> Iterator[OperatorClient]:
    with connected("", "test") as client:
        yield client


def test_ready_callbacks_are_processed_without_a_wait(operator: OperatorClient) -> None:
    received: list[str] = []
    operator.node.create_subscription(String, "state", lambda m: received.append(m.data), 10)
    publisher = operator.node.create_publisher(String, "state", 10)
    deadline_s = time.monotonic() + TIMEOUT_S
    while not received and time.monotonic() < deadline_s:
        publisher.publish(String(data="tracking"))
        time.sleep(0.05)
        operator.spin(0.0)
    assert set(received) == {"tracking"}


def test_an_exception_while_waiting_ends_a_request(operator: OperatorClient) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    operator.while_waiting = stop
    with pytest.raises(KeyboardInterrupt):
        operator.trigger("guard/reset")
