"""Requests of the operator's page to the stack."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.node import Node
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.errors import DbpError
from dbp_ros.nodes import panel_link
from dbp_ros.nodes.background_spinner import BackgroundSpinner
from dbp_ros.nodes.panel_link import PanelLink

pytestmark = pytest.mark.usefixtures("domain")


@pytest.fixture
def link(domain: int) -> Iterator[PanelLink]:
    rclpy.init()
    node = Node("panel")
    made = PanelLink(node, ["left"], "base")
    yield made
    node.destroy_node()
    rclpy.try_shutdown()


class Stack(Node):
    """Guard and services of a policy, with a record of their calls."""

    def __init__(self) -> None:
        super().__init__("guard")
        self.called: list[str] = []
        self.policy = Node("policy")
        self.create_service(SetBool, "guard/operator_control", self._on_control)
        self.create_subscription(JointTrajectory, "action_chunk", lambda _: None, 1)

    def _on_control(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.called.append("take over" if request.data else "give back")
        response.success = True
        return response

    def add_policy(self) -> None:
        self.policy.create_service(GetState, "policy/get_state", self._on_get_state)
        self.policy.create_service(ChangeState, "policy/change_state", self._on_change_state)

    def _on_get_state(self, _: Any, response: GetState.Response) -> GetState.Response:
        response.current_state.id = State.PRIMARY_STATE_ACTIVE
        return response

    def _on_change_state(
        self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        self.called.append(f"transition {request.transition.id}")
        response.success = True
        return response


@pytest.fixture
def stack(link: PanelLink) -> Iterator[Stack]:
    made = Stack()
    spinner = BackgroundSpinner("stack", (made, made.policy))
    yield made
    spinner.close()
    for node in (made, made.policy):
        node.destroy_node()


def test_a_hold_deactivates_the_policy_before_the_operator_returns_control(
    link: PanelLink, stack: Stack
) -> None:
    stack.add_policy()
    assert link.request("hold", print).startswith("the policy is inactive, and no operator drives")
    assert stack.called == [f"transition {Transition.TRANSITION_DEACTIVATE}", "give back"]


def test_a_hold_without_a_policy_ends_driving(link: PanelLink, stack: Stack) -> None:
    assert link.request("hold", print).startswith("no policy runs, and no operator drives")
    assert stack.called == ["give back"]


def test_a_hold_does_not_return_control_to_another_node(link: PanelLink, stack: Stack) -> None:
    leader = Node("leader")
    leader.create_publisher(JointTrajectory, "action_chunk", 1)
    with pytest.raises(DbpError, match="/leader, which publishes action chunks: end it"):
        link.request("hold", print)
    assert stack.called == []
    leader.destroy_node()


def test_a_hold_does_not_wait_for_another_request(
    link: PanelLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, end = threading.Event(), threading.Event()

    def wait(operator: object) -> str:
        begun.set()
        return "ended" if end.wait(30.0) else "not ended"

    monkeypatch.setitem(panel_link.REQUESTS, "new_episode", wait)
    monkeypatch.setitem(panel_link.REQUESTS, "hold", lambda operator: "held")
    results: list[str] = []
    request = threading.Thread(target=lambda: results.append(link.request("new_episode", print)))
    request.start()
    assert begun.wait(10.0)
    assert link.request("hold", print) == "held"
    began_s = time.monotonic()
    link.close()
    assert time.monotonic() - began_s < 10.0
    end.set()
    request.join(10.0)
    assert results == ["ended"]
