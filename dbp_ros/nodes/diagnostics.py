"""Diagnostics of a node: state, statistics and trace."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import Trigger

from dbp_ros.errors import DbpError
from dbp_ros.nodes.qos import LATCHED
from dbp_ros.telemetry.trace import Trace

WATCH_RATE_HZ = 20
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class DiagnosticsReporter:
    """Topics and services with the state, the statistics and the trace of a node.

    `~/state` is latched and published on changes. `/diagnostics` follows REP-107, at 1 Hz.
    `~/statistics` returns JSON, `~/clear_statistics` resets the statistics, and `~/trace` returns
    recent events.
    """

    def __init__(
        self,
        node: Node,
        hardware_id: str,
        state: Callable[[], tuple[bytes, str]],
        statistics: Callable[[], dict[str, Any]],
        clear: Callable[[], None],
        trace: Trace | None = None,
        wait: Callable[[], None] = lambda: None,
    ) -> None:
        """Create the topics, services and the timer.

        Args:
            node: Node to report.
            hardware_id: Hardware id of the diagnostics.
            state: Returns a diagnostic level and a sentence.
            statistics: Returns the statistics, JSON-serialisable.
            clear: Resets the statistics.
            trace: Trace for `~/trace`, if any.
            wait: Blocks until the node's loop is idle, before each operation that holds the GIL
                for long: publishing, logging, formatting statistics. It delays callbacks, so a
                node whose loop depends on callbacks must not use it.
        """
        self._node = node
        self._hardware_id = hardware_id
        self._state = state
        self._statistics = statistics
        self._wait = wait
        self._published = ""
        self._ticks = 0
        self._state_topic = node.create_publisher(String, "~/state", LATCHED)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        node.create_service(Trigger, "~/statistics", partial(self._reply, self._statistics_json))
        node.create_service(Trigger, "~/clear_statistics", trigger_callback(clear))
        if trace is not None:
            node.create_service(Trigger, "~/trace", partial(self._reply, trace.to_text))
        # Diagnostics must continue while `/clock` stalls.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(1.0 / WATCH_RATE_HZ, self._tick, clock=steady)

    def _tick(self) -> None:
        level, sentence = self._state()
        if sentence != self._published:
            self._published = sentence
            self._wait()
            self._state_topic.publish(String(data=sentence))
            self._wait()
            if level == OK:
                self._node.get_logger().info(sentence)
            else:
                self._node.get_logger().warning(sentence)
        self._ticks += 1
        if self._ticks % WATCH_RATE_HZ == 0:
            self._publish_diagnostics(level, sentence)

    def _publish_diagnostics(self, level: bytes, sentence: str) -> None:
        self._wait()
        values = flatten(self._statistics())
        self._wait()
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = [
            DiagnosticStatus(
                level=level,
                name=self._node.get_fully_qualified_name().lstrip("/"),
                message=sentence,
                hardware_id=self._hardware_id,
                values=[KeyValue(key=k, value=str(v)) for k, v in values.items()],
            )
        ]
        self._diagnostics.publish(message)

    def _statistics_json(self) -> str:
        """Return the statistics as JSON, one entry at a time, as formatting holds the GIL."""
        entries = []
        for name, value in self._statistics().items():
            if isinstance(value, dict | list):
                self._wait()
            entries.append(f"{json.dumps(name)}: {json.dumps(value)}")
        return f"{{{', '.join(entries)}}}"

    def _reply(
        self, text: Callable[[], str], _: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        self._wait()
        response.success, response.message = True, text()
        return response


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values with keys like `a.b`, without lists and None."""
    rows: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows |= flatten(value, f"{prefix}{key}.")
        elif value is not None and not isinstance(value, list):
            rows[f"{prefix}{key}"] = value
    return rows


def trigger_callback(
    action: Callable[[], str | None],
) -> Callable[[Trigger.Request, Trigger.Response], Trigger.Response]:
    """Return a Trigger callback that runs an action, and returns its message or its error."""

    def callback(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            response.success, response.message = True, action() or ""
        except DbpError as error:
            response.success, response.message = False, str(error)
        return response

    return callback
