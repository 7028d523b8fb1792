"""What a node tells about itself, as someone else on the network hears it."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import String
from std_srvs.srv import Trigger

from dbp_ros.errors import DbpError
from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.process import spinning
from dbp_ros.nodes.qos import LATCHED
from dbp_ros.telemetry.latency import Histogram, PeriodRecorder

LIMIT_S = 10.0
STILL_S = 4 / diagnostics.WATCH_RATE_HZ


class Machine(Node):
    """A node whose state and numbers can be set."""

    def __init__(self) -> None:
        super().__init__("machine", namespace="cell_1")
        self.state = (diagnostics.OK, "idle")
        self.work_time, self.period = Histogram(), PeriodRecorder(4_000_000)
        diagnostics.DiagnosticsReporter(
            self, "press", lambda: self.state, self.statistics, self.work_time.clear
        )

    def statistics(self) -> dict[str, Any]:
        return {"work_ms": self.work_time.summary_ms(), "period": self.period.statistics()}


@pytest.fixture
def machine(domain: int) -> Iterator[Machine]:
    with spinning(Machine) as node:
        yield node


def until(condition: Callable[[], Any], what: str) -> Any:
    """Return what a condition gives as soon as it holds."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {LIMIT_S:g} s for {what}"
        time.sleep(0.005)
    return found


def heard(node: Node) -> list[str]:
    """Subscribe to the machine's state; the list grows with each message."""
    states: list[str] = []
    node.create_subscription(String, "machine/state", lambda m: states.append(m.data), LATCHED)
    return states


def ask(node: Node, service: str) -> Trigger.Response:
    client = node.create_client(Trigger, service)
    assert client.wait_for_service(timeout_sec=LIMIT_S)
    future = client.call_async(Trigger.Request())
    until(future.done, f"{service} to answer")
    return future.result()


def refuse_constant(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def strictly(text: str) -> Any:
    """Read JSON as those do that know no NaN."""
    return json.loads(text, parse_constant=refuse_constant)


def next_diagnostics(node: Node) -> DiagnosticArray:
    """Return the next diagnostics."""
    messages: list[DiagnosticArray] = []
    node.create_subscription(DiagnosticArray, "/diagnostics", messages.append, 10)
    return until(lambda: messages, "diagnostics")[0]


def test_a_state_is_told_once_for_each_change(machine):
    states = heard(machine)
    until(lambda: states == ["idle"], "the first state")
    time.sleep(STILL_S)
    assert states == ["idle"]
    machine.state = (diagnostics.WARN, "hot")
    until(lambda: states == ["idle", "hot"], "the second state")
    machine.state = (diagnostics.OK, "idle")
    until(lambda: states == ["idle", "hot", "idle"], "the first state again")
    time.sleep(STILL_S)
    assert states == ["idle", "hot", "idle"]


def test_who_joins_late_hears_the_last_state(machine):
    states = heard(machine)
    machine.state = (diagnostics.ERROR, "broken")
    until(lambda: "broken" in states, "the last state")
    late = heard(machine)
    until(lambda: late == ["broken"], "the last state")


def test_statistics_are_json_for_strict_readers_before_anything_was_recorded(machine):
    answer = ask(machine, "machine/statistics")
    assert answer.success
    numbers = strictly(answer.message)
    assert numbers["work_ms"] == {"p50": None, "p99": None, "p999": None, "max": None}
    assert numbers["period"]["rate_hz"] == 0.0


def test_statistics_hold_what_was_recorded_until_they_are_cleared(machine):
    machine.work_time.record(3_000_000)
    assert strictly(ask(machine, "machine/statistics").message)["work_ms"]["max"] == 3.0
    assert ask(machine, "machine/clear_statistics").success
    assert strictly(ask(machine, "machine/statistics").message)["work_ms"]["max"] is None


def test_diagnostics_tell_the_level_the_hardware_and_every_number_that_is_known(machine):
    machine.state = (diagnostics.WARN, "hot")
    machine.work_time.record(3_000_000)
    message = next_diagnostics(machine)
    [status] = message.status
    values = {item.key: item.value for item in status.values}
    assert (status.level, status.message) == (diagnostics.WARN, "hot")
    assert (status.name, status.hardware_id) == ("cell_1/machine", "press")
    assert message.header.stamp.sec > 0
    assert values["work_ms.max"] == "3.0"
    assert values["period.gap_count"] == "0"
    assert not {"None", "nan"} & set(values.values())


def test_a_machine_is_heard_even_where_the_ros_clock_stands_still(domain):
    def make() -> Machine:
        node = Machine()
        node.set_parameters([Parameter("use_sim_time", value=True)])
        return node

    with spinning(make) as machine:
        machine.state = (diagnostics.WARN, "no /clock")
        states = heard(machine)
        until(lambda: "no /clock" in states, "the state")
        assert next_diagnostics(machine).status[0].message == "no /clock"


def test_nested_numbers_become_one_level_without_lists_and_what_is_not_known():
    nested = {"a": 1, "b": {"c": 0.5, "d": {"e": "x"}, "f": None}, "gaps": [[1, 2]], "g": False}
    assert diagnostics.flatten(nested) == {"a": 1, "b.c": 0.5, "b.d.e": "x", "g": False}


def test_nothing_becomes_nothing():
    assert diagnostics.flatten({}) == {}
    assert diagnostics.flatten({"a": {}}) == {}


def test_a_service_answers_with_the_error_where_it_cannot_act():
    def fail() -> None:
        raise DbpError("the arms still move")

    refused = diagnostics.trigger_callback(fail)(Trigger.Request(), Trigger.Response())
    granted = diagnostics.trigger_callback(lambda: None)(Trigger.Request(), Trigger.Response())
    assert (refused.success, refused.message) == (False, "the arms still move")
    assert (granted.success, granted.message) == (True, "")
