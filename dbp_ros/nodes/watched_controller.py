"""One controller of the guard: the publisher of its commands, and what its node reports."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from lifecycle_msgs.msg import TransitionEvent
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo
from std_msgs.msg import Float64MultiArray

from dbp_ros.motion.controllers import ControllerState
from dbp_ros.nodes.endpoints import publisher_names
from dbp_ros.nodes.qos import COMMAND_PUBLISHER, EVENTS

COMMANDS = "/commands"
PARAMETERS = ("joints", "interface_name")
# A request without a response is repeated after this time.
RETRY_NS = 1_000_000_000


class WatchedController:
    """Publisher of a controller's commands, its state, and its parameters.

    Attributes:
        state: State of the controller.
        node_name: Name of its node, without a namespace.
        publisher: Publisher of its commands.
        other_publishers: Sentence about other publishers of its commands; empty without any.
        checked_ns: Steady time of the last check in which all subscriptions were known.
        is_undiscovered: Whether the node of a subscription is not known yet.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        joints: Sequence[str],
        on_loss: Callable[[str], None],
        on_matched: Callable[["WatchedController"], None],
    ) -> None:
        """Create the publisher, the subscription and the client.

        Args:
            node: Node of the guard.
            name: Name of the controller.
            joints: Expected joints, in the order of the command.
            on_loss: Called with a sentence when the controller can no longer be commanded.
            on_matched: Called when a subscription to the commands appears or vanishes.
        """
        self._node, self._on_loss = node, on_loss
        topic = node.resolve_topic_name(f"{name}{COMMANDS}")
        # The commands may be remapped to those of a controller of another name.
        source = topic.removesuffix(COMMANDS) if topic.endswith(COMMANDS) else name
        self.state = ControllerState(name, topic, joints)
        self.node_name = source.rpartition("/")[2]
        self.other_publishers = ""
        self.checked_ns = 0
        self.is_undiscovered = False
        self._requested_ns = -RETRY_NS
        self._client = node.create_client(GetParameters, f"{source}/get_parameters")
        self.publisher = node.create_publisher(
            Float64MultiArray,
            f"{name}{COMMANDS}",
            COMMAND_PUBLISHER,
            event_callbacks=PublisherEventCallbacks(matched=lambda _: on_matched(self)),
        )
        node.create_subscription(
            TransitionEvent, f"{source}/transition_event", self._on_transition, EVENTS
        )

    def record_subscribers(
        self, executing: Sequence[TopicEndpointInfo], is_undiscovered: bool, now_ns: int
    ) -> None:
        """Record the subscriptions that may execute commands; request missing parameters.

        Args:
            executing: Those whose nodes are known.
            is_undiscovered: Whether there are others.
            now_ns: Time of the query.
        """
        own = frozenset(bytes(i.endpoint_gid) for i in executing if i.node_name == self.node_name)
        self._report_loss(self.state.record_subscribers(own, len(executing), now_ns))
        self.is_undiscovered = is_undiscovered
        if not is_undiscovered:
            self.checked_ns = now_ns
        self.state.record_service(bool(own) and self._client.service_is_ready())
        if own and not self.state.has_parameters:
            self._request_parameters(now_ns)

    def record_report(self, label: str, now_ns: int) -> None:
        """Record the state in a report of the controller manager."""
        self._report_loss(self.state.record_report(label, now_ns))

    def find_other_publishers(self) -> str:
        """Return a sentence about other publishers of the commands; empty without any."""
        if self._node.count_publishers(self.state.topic) <= 1:
            self.other_publishers = ""
            return ""
        names = publisher_names(self._node, self.state.topic)
        own = self._node.get_fully_qualified_name()
        # Another node may have the name of this one.
        others = [name for k, name in enumerate(names) if name != own or own in names[:k]]
        if not others:
            return ""
        self.other_publishers = (
            f"{', '.join(others)} publishes {self.state.topic} too: end it (a killed node "
            "leaves the graph within 20 s)"
        )
        return self.other_publishers

    def _request_parameters(self, now_ns: int) -> None:
        if now_ns - self._requested_ns < RETRY_NS or not self._client.service_is_ready():
            return
        self._requested_ns = now_ns
        answers: dict[str, ParameterValue] = {}
        # A node has no values in its response if one of the names is not declared.
        for name in PARAMETERS:
            future = self._client.call_async(GetParameters.Request(names=[name]))
            future.add_done_callback(partial(self._on_parameter, name, answers))

    def _on_parameter(self, name: str, answers: dict[str, ParameterValue], future: Any) -> None:
        response = future.result()
        if response is None:
            return
        answers[name] = response.values[0] if response.values else ParameterValue()
        if len(answers) == len(PARAMETERS):
            self._requested_ns = -RETRY_NS
            self._record_parameters(*(answers[name] for name in PARAMETERS))

    def _record_parameters(self, joints: ParameterValue, interface: ParameterValue) -> None:
        is_list = joints.type == ParameterType.PARAMETER_STRING_ARRAY
        found = tuple(joints.string_array_value) if is_list else None
        self._report_loss(self.state.record_parameters(found, interface.string_value))

    def _on_transition(self, message: TransitionEvent) -> None:
        label = message.goal_state.label
        self._report_loss(self.state.record_transition(label, time.monotonic_ns()))

    def _report_loss(self, reason: str) -> None:
        if reason:
            self._on_loss(reason)
