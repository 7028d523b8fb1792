"""How a node tells about itself: diagnostics once a second, and all its numbers on request."""

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
    """Publishes a node's state when it changes, its diagnostics, and answers for its numbers.

    `~/state` is latched; `/diagnostics` follows REP-107; `~/statistics` answers with JSON and
    `~/clear_statistics` starts the numbers anew; `~/trace` answers with what happened of late.
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
            node: The node to speak for.
            hardware_id: Which robot it belongs to.
            state: Returns a diagnostic level and one sentence.
            statistics: Returns the numbers, fit for JSON.
            clear: Starts the numbers anew.
            trace: What `~/trace` answers with, if given.
            wait: Waits for a good moment for what takes a while and keeps Python's lock from the
                node's loop: publishing, writing a line of the log, telling many numbers. It is
                asked for one before each such piece, and keeps callbacks waiting: not for a node
                whose loop hears of the world through them.
        """
        self._node = node
        self._hardware_id = hardware_id
        self._state = state
        self._statistics = statistics
        self._wait = wait
        self._told = ""
        self._beats = 0
        self._state_topic = node.create_publisher(String, "~/state", LATCHED)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        node.create_service(Trigger, "~/statistics", partial(self._answer_with, self._numbers))
        node.create_service(Trigger, "~/clear_statistics", answer_to(clear))
        if trace is not None:
            node.create_service(Trigger, "~/trace", partial(self._answer_with, trace.to_text))
        # Not the ROS clock: what a node tells must not stop where `/clock` stalls.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(1.0 / WATCH_RATE_HZ, self._watch, clock=steady)

    def _watch(self) -> None:
        level, sentence = self._state()
        if sentence != self._told:
            self._told = sentence
            self._wait()
            self._state_topic.publish(String(data=sentence))
            self._wait()
            if level == OK:
                self._node.get_logger().info(sentence)
            else:
                self._node.get_logger().warning(sentence)
        self._beats += 1
        if self._beats % WATCH_RATE_HZ == 0:
            self._diagnose(level, sentence)

    def _diagnose(self, level: bytes, sentence: str) -> None:
        self._wait()
        numbers = flat(self._statistics())
        self._wait()
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        values = [KeyValue(key=k, value=str(v)) for k, v in numbers.items()]
        message.status = [
            DiagnosticStatus(
                level=level,
                name=self._node.get_fully_qualified_name().lstrip("/"),
                message=sentence,
                hardware_id=self._hardware_id,
                values=values,
            )
        ]
        self._diagnostics.publish(message)

    def _numbers(self) -> str:
        """Return the statistics as JSON, piece by piece: of one piece Python does not let go."""
        pieces = []
        for name, value in self._statistics().items():
            if isinstance(value, dict | list):
                self._wait()
            pieces.append(f"{json.dumps(name)}: {json.dumps(value)}")
        return f"{{{', '.join(pieces)}}}"

    def _answer_with(
        self, tell: Callable[[], str], _: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        self._wait()
        response.success, response.message = True, tell()
        return response


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested numbers as one level, `a.b`, without lists and what is not known yet."""
    rows: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows |= flat(value, f"{prefix}{key}.")
        elif value is not None and not isinstance(value, list):
            rows[f"{prefix}{key}"] = value
    return rows


def answer_to(
    act: Callable[[], None],
) -> Callable[[Trigger.Request, Trigger.Response], Trigger.Response]:
    """Return a Trigger callback that acts, and answers with the error where it cannot."""

    def callback(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            act()
            response.success = True
        except DbpError as error:
            response.success, response.message = False, str(error)
        return response

    return callback
