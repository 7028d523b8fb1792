"""Callbacks of an operator's command, between and during its requests."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import Trigger

from dbp_ros.errors import DbpError
from dbp_ros.nodes.background_spinner import BackgroundSpinner
from dbp_ros.nodes.connection import connected
from dbp_ros.nodes.operator_client import OperatorClient

TIMEOUT_S = 10.0


@pytest.fixture
def operator(domain: int) -> Iterator[OperatorClient]:
    with connected("", "test") as client:
        yield client


@contextmanager
def answers(operator: OperatorClient, given: dict[str, str]) -> Iterator[list[str]]:
    """Offer services whose responses are given, refusals in capitals; yield the called ones."""
    called: list[str] = []

    def answer(service: str, _: Any, response: Trigger.Response) -> Trigger.Response:
        called.append(service)
        response.message, response.success = given[service], not given[service].isupper()
        return response

    nodes = {name: Node(name) for name in {service.partition("/")[0] for service in given}}
    for service in given:
        node = nodes[service.partition("/")[0]]
        node.create_service(Trigger, service, partial(answer, service))
    spinner = BackgroundSpinner("stack", tuple(nodes.values()))
    assert operator.spin_until(lambda: all(map(operator.offers, given)), TIMEOUT_S)
    yield called
    spinner.close()
    for node in nodes.values():
        node.destroy_node()


def test_no_episode_begins_if_the_recorder_rejects_it(operator: OperatorClient) -> None:
    given = {
        "recorder/begin_episode": "EPISODE 2 IS RUNNING",
        "recorder/statistics": '{"recording": true}',
        "policy/begin_episode": "",
    }
    with answers(operator, given) as called:
        with pytest.raises(DbpError, match="EPISODE 2 IS RUNNING"):
            operator.begin_episode()
        assert called == ["recorder/begin_episode"]


def test_a_learner_may_already_record_the_episode_of_the_policy(operator: OperatorClient) -> None:
    given = {
        "learner/begin_episode": "ALREADY RUNNING",
        "learner/statistics": '{"recording": true}',
        "policy/begin_episode": "",
    }
    with answers(operator, given) as called:
        assert operator.begin_episode() == "episode begun: policy and learner"
        assert called[:2] == ["policy/begin_episode", "learner/begin_episode"]


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
