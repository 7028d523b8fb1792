"""Services that reset the simulated cell."""

import json
import time
from collections.abc import Iterator
from functools import partial

import pytest
from processes.fake_robot import wait_until
from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from dbp_ros.nodes.cell_operator import CellOperator
from dbp_ros.nodes.process import spinning
from dbp_ros.nodes.qos import LATCHED
from dbp_ros.runtime.sim_clock import SimClock

NOT_ENABLED = "disabled: control is not enabled"


class FakeCell:
    """A cell that records resets, and may receive commands."""

    def __init__(self, called: list[str]) -> None:
        self.called, self.commanded, self.episode_over = called, "", False

    def reset(self) -> str:
        self.called.append("reset")
        self.episode_over = False
        return "seed 7"

    def commanded_within(self, seconds: float) -> str:
        return self.commanded


class Stack(Node):
    """Guard, policy and learner of a stack, with a record of their calls."""

    def __init__(self, auto_reset: bool = False) -> None:
        super().__init__("simulation")
        self.called: list[str] = []
        self.refusals: dict[str, str] = {}
        self.disabled_state = NOT_ENABLED
        self.recording = False
        self.cell = FakeCell(self.called)
        self.operator = CellOperator(self, self.cell, SimClock(), auto_reset)

    def add_guard(self, state: str) -> None:
        self.guard = self.create_publisher(String, "guard/state", LATCHED)
        self.create_service(SetBool, "guard/enable_control", self.enable)
        self.create_service(Trigger, "guard/reset", self.reset_guard)
        self.guard.publish(String(data=state))

    def add_policy_and_learner(self) -> None:
        self.states = [
            self.create_publisher(String, f"{n}/state", 1) for n in ("policy", "learner")
        ]
        self.create_service(Trigger, "policy/begin_episode", partial(self.reply, "begin policy"))
        for service, recording in (("end_episode", False), ("begin_episode", True)):
            record = partial(self.record, service.replace("_episode", " learner"), recording)
            self.create_service(Trigger, f"learner/{service}", record)
        self.create_service(Trigger, "learner/statistics", self.statistics)

    def reply(self, name: str, _, response):
        response.success, response.message = name not in self.refusals, self.refusals.get(name, "")
        self.called.append(name)
        return response

    def enable(self, request, response):
        response = self.reply("enable" if request.data else "disable", request, response)
        if response.success:
            self.guard_state = (
                "holding: waiting for a chunk" if request.data else self.disabled_state
            )
            self.guard.publish(String(data=self.guard_state))
        return response

    def reset_guard(self, request, response):
        self.guard.publish(String(data=NOT_ENABLED))
        return self.reply("reset guard", request, response)

    def record(self, name: str, recording: bool, request, response):
        self.recording = recording
        return self.reply(name, request, response)

    def statistics(self, _, response):
        response.success, response.message = True, json.dumps({"recording": self.recording})
        return response

    def call(self, service: str) -> tuple[bool, str]:
        client = self.create_client(Trigger, f"simulation/{service}")
        assert client.wait_for_service(timeout_sec=10.0)
        future = client.call_async(Trigger.Request())
        wait_until(future.done, f"{service} to respond")
        return future.result().success, future.result().message


@pytest.fixture
def stack(domain: int) -> Iterator[Stack]:
    with spinning(Stack) as node:
        yield node
        node.operator.close()


def test_a_new_episode_disables_resets_and_enables_in_order(
    stack: Stack,
) -> None:
    stack.add_guard("tracking")
    stack.add_policy_and_learner()
    stack.recording = True
    assert stack.call("new_episode") == (True, "seed 7; control is enabled again")
    assert stack.called == [
        *("end learner", "disable", "reset", "begin policy", "enable", "begin learner"),
    ]


def test_disabled_control_stays_disabled(stack: Stack) -> None:
    stack.add_guard(NOT_ENABLED)
    stack.add_policy_and_learner()
    assert stack.call("new_episode") == (True, "seed 7; control is disabled, as before")
    assert stack.called == ["disable", "reset", "begin policy"]


def test_a_cell_without_a_stack_is_reset(stack: Stack) -> None:
    assert stack.call("new_episode")[0]
    assert stack.call("reset") == (True, "seed 7")
    assert stack.called == ["reset", "reset"]


def test_a_reset_under_control_is_rejected_with_the_fix(
    stack: Stack,
) -> None:
    stack.add_guard("tracking")
    wait_until(lambda: not stack.call("reset")[0], "the guard's state to arrive")
    stack.called.clear()
    done, problem = stack.call("reset")
    assert not done
    assert "the guard commands the arms (tracking)" in problem
    assert "simulation/new_episode (dbp episode new)" in problem
    assert stack.called == []


def test_a_reset_ends_the_episode_of_the_learner_first(stack: Stack) -> None:
    stack.add_policy_and_learner()
    stack.recording = True
    assert stack.call("reset") == (True, "seed 7")
    assert stack.called == ["end learner", "reset"]


def test_a_reset_is_rejected_while_another_node_commands_the_arms(stack: Stack) -> None:
    stack.cell.commanded = "left_gripper_controller"
    for service in ("reset", "new_episode"):
        done, problem = stack.call(service)
        assert not done
        assert "commands arrive on left_gripper_controller/commands" in problem
    assert stack.called == []


def test_an_emergency_stop_stays_latched(stack: Stack) -> None:
    stack.add_guard("stopped: e-stop")
    done, problem = stack.call("new_episode")
    assert not done
    assert "the emergency stop is latched: call guard/reset first" in problem
    assert stack.called == []


def test_a_stop_of_the_guard_is_cleared_and_control_stays_disabled(stack: Stack) -> None:
    stack.add_guard("stopped: left_elbow_joint is 0.51 away from its command")
    stack.disabled_state = "stopped: left_elbow_joint is 0.51 away from its command"
    done, what = stack.call("new_episode")
    assert done
    assert "control stays disabled: the guard had stopped the arms (left_elbow_joint" in what
    assert stack.called == ["disable", "reset guard", "reset"]


def test_a_persistent_rejection_of_the_guard_is_reported(stack: Stack) -> None:
    stack.operator.refusal_limit_s = 0.1
    stack.add_guard("tracking")
    stack.refusals["enable"] = "left_gripper_controller is inactive"
    done, problem = stack.call("new_episode")
    assert not done
    assert problem == (
        "the cell was reset (seed 7), but control stays disabled: guard/enable_control "
        "rejected the request: left_gripper_controller is inactive"
    )


def test_a_missing_guard_is_reported(stack: Stack) -> None:
    stack.operator.discovery_limit_s = 0.1
    stack.guard = stack.create_publisher(String, "guard/state", LATCHED)
    stack.guard.publish(String(data="tracking"))
    done, problem = stack.call("new_episode")
    assert not done
    assert "no server for guard/enable_control" in problem
    assert stack.called == []


@pytest.fixture
def automatic(domain: int) -> Iterator[Stack]:
    with spinning(partial(Stack, auto_reset=True)) as node:
        yield node
        node.operator.close()


def test_the_next_episode_begins_when_one_is_over(automatic: Stack) -> None:
    automatic.add_guard("tracking")
    automatic.add_policy_and_learner()
    for _ in range(2):
        automatic.called.clear()
        automatic.cell.episode_over = True
        wait_until(lambda: "enable" in automatic.called, "the next episode")
        assert automatic.called == ["disable", "reset", "begin policy", "enable"]


def test_the_next_episode_begins_after_a_stop_of_the_guard(automatic: Stack) -> None:
    automatic.disabled_state = "stopped: left_elbow_joint is 0.51 away from its command"
    automatic.add_guard(automatic.disabled_state)
    wait_until(lambda: "enable" in automatic.called, "the next episode")
    assert automatic.called == ["disable", "reset guard", "reset", "enable"]


@pytest.mark.parametrize("state", [NOT_ENABLED, "stopped: e-stop"])
def test_no_episode_begins_against_the_operator(automatic: Stack, state: str) -> None:
    automatic.cell.episode_over = True
    automatic.add_guard(state)
    time.sleep(1.0)
    assert automatic.called == []


def test_a_failed_start_is_tried_again_although_it_has_disabled_control(
    automatic: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbp_ros.nodes.auto_reset.RETRY_S", 0.5)
    automatic.operator.refusal_limit_s = 0.1
    automatic.add_guard("tracking")
    automatic.refusals["enable"] = "left_gripper_controller is inactive"
    automatic.cell.episode_over = True
    wait_until(lambda: automatic.called.count("reset") >= 2, "a second attempt")
    automatic.refusals.clear()
    wait_until(lambda: automatic.guard_state == "holding: waiting for a chunk", "control")
    attempts = automatic.called.count("reset")
    time.sleep(1.0)
    assert automatic.called.count("reset") == attempts


def test_after_many_failures_the_cell_says_why_no_episode_begins(
    automatic: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbp_ros.nodes.auto_reset.RETRY_S", 0.01)
    monkeypatch.setattr("dbp_ros.nodes.auto_reset.MAX_FAILURES", 3)
    automatic.operator.refusal_limit_s = 0.01
    automatic.add_guard("tracking")
    automatic.refusals["enable"] = "left_gripper_controller is inactive"
    automatic.cell.episode_over = True
    wait_until(lambda: automatic.operator.problem, "the problem")
    assert automatic.operator.problem.startswith("no new episode after 3 attempts: the cell was")
    attempts = automatic.called.count("reset")
    time.sleep(0.5)
    assert automatic.called.count("reset") == attempts
