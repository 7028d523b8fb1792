"""State, diagnostics and statistics of a node, as received by another node."""

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
SILENT_S = 4 / diagnostics.WATCH_RATE_HZ


class Machine(Node):
    """A node whose state and statistics can be set."""

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
    """Return the value of a condition when it is true."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {LIMIT_S:g} s for {what}"
        time.sleep(0.005)
    return found


def received_states(node: Node) -> list[str]:
    """Return a list that grows with each message of the machine's state."""
    states: list[str] = []
    node.create_subscription(String, "machine/state", lambda m: states.append(m.data), LATCHED)
    return states


def call(node: Node, service: str) -> Trigger.Response:
    client = node.create_client(Trigger, service)
    assert client.wait_for_service(timeout_sec=LIMIT_S)
    future = client.call_async(Trigger.Request())
    until(future.done, f"the response of {service}")
    return future.result()


def refuse_constant(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


def strict_json(text: str) -> Any:
    """Read JSON without NaN."""
    return json.loads(text, parse_constant=refuse_constant)


def next_diagnostics(node: Node) -> DiagnosticArray:
    """Return the next diagnostics."""
    messages: list[DiagnosticArray] = []
    node.create_subscription(DiagnosticArray, "/diagnostics", messages.append, 10)
    return until(lambda: messages, "diagnostics")[0]


def test_a_state_is_published_once_per_change(machine):
    states = received_states(machine)
    until(lambda: states == ["idle"], "the first state")
    time.sleep(SILENT_S)
    assert states == ["idle"]
    machine.state = (diagnostics.WARN, "hot")
    until(lambda: states == ["idle", "hot"], "the second state")
    machine.state = (diagnostics.OK, "idle")
    until(lambda: states == ["idle", "hot", "idle"], "the first state again")
    time.sleep(SILENT_S)
    assert states == ["idle", "hot", "idle"]


def test_a_late_subscriber_receives_the_last_state(machine):
    states = received_states(machine)
    machine.state = (diagnostics.ERROR, "broken")
    until(lambda: "broken" in states, "the last state")
    late = received_states(machine)
    until(lambda: late == ["broken"], "the last state")


def test_empty_statistics_are_strict_json(machine):
    response = call(machine, "machine/statistics")
    assert response.success
    numbers = strict_json(response.message)
    assert numbers["work_ms"] == {"p50": None, "p99": None, "p999": None, "max": None}
    assert numbers["period"]["rate_hz"] == 0.0


def test_statistics_are_kept_until_they_are_cleared(machine):
    machine.work_time.record(3_000_000)
    assert strict_json(call(machine, "machine/statistics").message)["work_ms"]["max"] == 3.0
    assert call(machine, "machine/clear_statistics").success
    assert strict_json(call(machine, "machine/statistics").message)["work_ms"]["max"] is None


def test_diagnostics_have_level_hardware_id_and_all_known_values(machine):
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


def test_diagnostics_continue_while_the_ros_clock_is_stalled(domain):
    def make() -> Machine:
        node = Machine()
        node.set_parameters([Parameter("use_sim_time", value=True)])
        return node

    with spinning(make) as machine:
        machine.state = (diagnostics.WARN, "no /clock")
        states = received_states(machine)
        until(lambda: "no /clock" in states, "the state")
        assert next_diagnostics(machine).status[0].message == "no /clock"


def test_nested_values_are_flattened_without_lists_and_none():
    nested = {"a": 1, "b": {"c": 0.5, "d": {"e": "x"}, "f": None}, "gaps": [[1, 2]], "g": False}
    assert diagnostics.flatten(nested) == {"a": 1, "b.c": 0.5, "b.d.e": "x", "g": False}


def test_empty_values_are_flattened_to_nothing():
    assert diagnostics.flatten({}) == {}
    assert diagnostics.flatten({"a": {}}) == {}


def test_a_trigger_service_returns_the_error_of_its_action():
    def fail() -> None:
        raise DbpError("the arms still move")

    refused = diagnostics.trigger_callback(fail)(Trigger.Request(), Trigger.Response())
    granted = diagnostics.trigger_callback(lambda: None)(Trigger.Request(), Trigger.Response())
    assert (refused.success, refused.message) == (False, "the arms still move")
    assert (granted.success, granted.message) == (True, "")
