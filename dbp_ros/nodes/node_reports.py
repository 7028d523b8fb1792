"""States, diagnostics, parameters and lifecycle states of the nodes of a stack."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from std_msgs.msg import String

from dbp_ros.diagnosis.snapshot import OPTIONAL, REQUIRED, NodeStatus
from dbp_ros.nodes.endpoints import is_own_report
from dbp_ros.nodes.pending_calls import PendingCalls
from dbp_ros.nodes.qos import LATCHED

NODES = (*REQUIRED, *OPTIONAL)
ACTIVITY, MANAGER, STATE_SUFFIX = "Controllers Activity", "controller_manager", ".state"
# Newest reports of all nodes with one name.
MAX_REPORTS = 32
PARAMETERS = {
    "guard": (
        *("joints", "controllers", "controller_sizes", "joint_state_timeout_s"),
        *("use_sim_time", "real_time_factor"),
    ),
    "policy": (
        *("joints", "image_max_age_s", "execution_provider", "use_sim_time"),
        "real_time_factor",
    ),
    "simulation": ("use_sim_time", "real_time_factor"),
    "learner": ("use_sim_time",),
    "teleop": ("use_sim_time", "real_time_factor"),
}


@dataclass(frozen=True)
class _Report:
    """A diagnostic status."""

    level: int
    sentence: str
    values: dict[str, str]
    arrived_s: float


@dataclass
class _NodeData:
    """Received data of all nodes with one name."""

    state: str = ""
    reports: deque[_Report] = field(default_factory=lambda: deque(maxlen=MAX_REPORTS))
    answers: bool = False
    lifecycle: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)

    def status(self, name: str, copies: int) -> NodeStatus:
        """Return the status: the last report of one node, or the worst of several nodes."""
        if not self.reports:
            level, sentence, age_s, values = None, self.state, None, {}
        else:
            worst = max(self.reports, key=lambda report: report.level)
            report = worst if copies > 1 else self.reports[-1]
            level, sentence, values = report.level, report.sentence, report.values
            age_s = time.monotonic() - report.arrived_s
        return NodeStatus(
            name,
            copies,
            level,
            sentence,
            age_s,
            self.answers,
            self.lifecycle,
            self.parameters,
            values,
        )


class NodeReports:
    """Subscriptions to states and diagnostics, and requests for parameters.

    Attributes:
        activity: Lifecycle label of each controller, as the controller manager reports it.
    """

    def __init__(
        self,
        node: Node,
        namespace: str,
        calls: PendingCalls,
        on_state: Callable[[str, str], None] = lambda name, sentence: None,
    ) -> None:
        """Subscribe and request the parameters.

        Args:
            node: Observing node, in the namespace of the stack.
            namespace: That namespace; empty for the root.
            calls: Sends the requests.
            on_state: Called with each state of a node and its name.
        """
        self._notify = on_state
        self.activity: dict[str, str] = {}
        self._node = node
        self._prefix = f"{namespace}/".lstrip("/")
        self._data = {name: _NodeData() for name in NODES}
        self._foreign: dict[str, str] = {}
        self._subscriptions = [
            node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50),
            *(
                node.create_subscription(
                    String, f"{name}/state", partial(self._on_state, name), LATCHED
                )
                for name in NODES
            ),
        ]
        for name, requested in PARAMETERS.items():
            request = GetParameters.Request(names=list(requested))
            receive = partial(self._on_parameters, name, requested)
            calls.add(GetParameters, f"{name}/get_parameters", request, receive)
        calls.add(GetState, "policy/get_state", GetState.Request(), self._on_lifecycle)

    @property
    def foreign(self) -> tuple[str, ...]:
        """Diagnostics of the controller manager that are not OK, as text."""
        return tuple(self._foreign.values())

    @property
    def on_clock(self) -> bool:
        """Whether a node that responded uses `/clock` for its timestamps."""
        users = (data for name, data in self._data.items() if name != "simulation")
        return any(data.parameters.get("use_sim_time") for data in users)

    def parameter(self, name: str, parameter: str, default: Any) -> Any:
        """Return a parameter of a node; the default until it has responded."""
        return self._data[name].parameters.get(parameter, default)

    def complete(self, name: str, copies: int) -> bool:
        """Return whether there is at least one report for each of the nodes with a name."""
        return len(self._data[name].reports) >= copies

    def statuses(self, copies: Mapping[str, int]) -> dict[str, NodeStatus]:
        """Return the status of each node that runs or is required.

        Args:
            copies: Number of nodes with each name.
        """
        return {
            name: data.status(name, copies[name])
            for name, data in self._data.items()
            if name in REQUIRED or copies[name]
        }

    def set_lifecycle(self, label: str) -> None:
        """Replace the lifecycle state of the policy, after a transition."""
        self._data["policy"].lifecycle = label

    def close(self) -> None:
        """Destroy the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _on_state(self, name: str, message: String) -> None:
        self._data[name].state = message.data
        self._notify(name, message.data)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            name = status.name.removeprefix(self._prefix)
            level = int.from_bytes(status.level, "little")
            if name in self._data and status.name == f"{self._prefix}{name}":
                values = {item.key: item.value for item in status.values}
                report = _Report(level, status.message, values, time.monotonic())
                self._data[name].reports.append(report)
            elif not is_own_report(self._node, status.name):
                continue
            elif status.name.endswith(ACTIVITY):
                labels = {item.key.removesuffix(STATE_SUFFIX): item.value for item in status.values}
                self.activity |= labels
            elif MANAGER in status.name:
                self._add_foreign(status, level)

    def _add_foreign(self, status: DiagnosticStatus, level: int) -> None:
        if level:
            self._foreign[status.name] = f"{status.name}: {status.message}"
        else:
            self._foreign.pop(status.name, None)

    def _on_parameters(self, name: str, requested: tuple[str, ...], response: Any) -> None:
        data = self._data[name]
        data.answers = True
        if len(response.values) == len(requested):
            values = map(parameter_value_to_python, response.values)
            known = dict(zip(requested, values, strict=True))
            data.parameters |= {k: v for k, v in known.items() if v is not None}

    def _on_lifecycle(self, response: Any) -> None:
        self._data["policy"].lifecycle = response.current_state.label
