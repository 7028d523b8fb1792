"""Watches the controllers that take the guard's commands, and who else publishes to them.

A forward command controller obeys whoever publishes, in the order of its own joints, and holds its
last command when it is off. So before control is enabled, and while it is, the guard has to know
that each controller is there, active and takes its joints in the expected order, and that nothing
but the guard commands it. What is read needs only the standard messages: transition events,
diagnostics of the controller manager, parameters, and the graph.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import TransitionEvent
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.topic_endpoint_info import TopicEndpointInfo
from std_msgs.msg import Float64MultiArray

from dbp_ros.motion.controllers import ControllerState
from dbp_ros.nodes.qos import COMMAND_SOURCE, EVERY
from dbp_ros.settings.robot import ControllersConfig

WATCH_RATE_HZ = 20.0
ACTIVITY = "Controllers Activity"
STATE_SUFFIX = ".state"
# Nodes that subscribe to commands and obey none of them: tools, and nodes of this package.
TOOLS = ("_ros2cli", "rosbag2", "foxglove")
# Name of a node whose endpoint was discovered before it.
UNDISCOVERED = "_NODE_NAME_UNKNOWN_"
LISTENERS = frozenset({"bag", "learner"})
# An endpoint whose node is still unknown after this time belongs to a driver as far as can be told.
UNDISCOVERED_NS = 3_000_000_000
# A controller that has not answered for this long is asked again.
ANSWER_NS = 1_000_000_000
PARAMETERS = ("joints", "interface_name")


class ControllerMonitor:
    """Publishers of the commands, and what became of the controllers that they reach.

    Its callbacks run in the thread that spins the node.

    Attributes:
        publishers: One for each controller.
    """

    def __init__(
        self,
        node: Node,
        config: ControllersConfig,
        lost: Callable[[int, str], None],
        rival: Callable[[str], None],
        wait: Callable[[], None] = lambda: None,
    ) -> None:
        """Create the publishers and start to watch.

        Args:
            node: The guard.
            config: Controllers and their joints.
            lost: Called with the index of a controller and a sentence when the controller can no
                longer be commanded.
            rival: Called with a sentence when something else publishes commands.
            wait: Waits for a moment at which a short piece of work does not delay the commands.
        """
        self._node = node
        self._lost = lost
        self._rival = rival
        self._wait = wait
        self._beats = 0
        self._failure: Exception | None = None
        self._controllers: list[ControllerState] = []
        self._clients: list[Client] = []
        self._asked_ns: dict[int, int] = {}
        self._undiscovered_ns: dict[bytes, int] = {}
        self._rivals: dict[int, str] = {}
        self.publishers: list[Publisher] = []
        slices = config.controller_slices()
        for k, (name, part) in enumerate(zip(config.controllers, slices, strict=True)):
            topic = node.resolve_topic_name(f"{name}/commands")
            self._controllers.append(ControllerState(name, topic, config.joints[part]))
            matched = PublisherEventCallbacks(matched=partial(self._on_matched, k))
            self.publishers.append(
                node.create_publisher(
                    Float64MultiArray, f"{name}/commands", COMMAND_SOURCE, event_callbacks=matched
                )
            )
            node.create_subscription(
                TransitionEvent, f"{name}/transition_event", partial(self._on_transition, k), EVERY
            )
            self._clients.append(node.create_client(GetParameters, f"{name}/get_parameters"))
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(1.0 / WATCH_RATE_HZ, self._watch, clock=steady)

    @property
    def problems(self) -> list[str]:
        """Why control cannot be enabled, one sentence for each cause."""
        for k in range(len(self._controllers)):
            self._inspect(k)
        now_ns = time.monotonic_ns()
        found = [controller.problem(now_ns) for controller in self._controllers]
        return [*self.rivals, *filter(None, found)]

    @property
    def rivals(self) -> list[str]:
        """Other publishers of commands, one sentence for each topic."""
        return list(self._rivals.values())

    def _watch(self) -> None:
        """Look at one controller a beat: the graph answers fast, but keeps the interpreter busy."""
        if self._failure is not None:
            raise self._failure
        self._wait()
        self._inspect(self._beats % len(self._controllers))
        self._beats += 1

    def _on_matched(self, index: int, _: Any) -> None:
        """Look at a controller at once; an exception that leaves here would end the executor."""
        try:
            self._inspect(index)
        except Exception as error:
            self._failure = error

    def _inspect(self, index: int) -> None:
        controller = self._controllers[index]
        self._look_for_rivals(index, controller)
        subscribers = self._node.get_subscriptions_info_by_topic(controller.topic)
        obeying = [info for info in subscribers if self._may_obey(info)]
        base = controller.name.rpartition("/")[2]
        own = frozenset(bytes(info.endpoint_gid) for info in obeying if info.node_name == base)
        self._note(index, controller.record_subscribers(own, len(obeying), time.monotonic_ns()))
        controller.record_service(bool(own) and self._clients[index].service_is_ready())
        if own and not controller.has_parameters:
            self._ask(index)

    def _may_obey(self, endpoint: TopicEndpointInfo) -> bool:
        """Return whether a subscription of commands may be that of a controller or a driver."""
        gid, now_ns = bytes(endpoint.endpoint_gid), time.monotonic_ns()
        if endpoint.node_name == UNDISCOVERED:
            return now_ns - self._undiscovered_ns.setdefault(gid, now_ns) > UNDISCOVERED_NS
        self._undiscovered_ns.pop(gid, None)
        name = endpoint.node_name
        return name not in LISTENERS and not name.startswith(TOOLS)

    def _look_for_rivals(self, index: int, controller: ControllerState) -> None:
        if self._node.count_publishers(controller.topic) <= 1:
            self._rivals.pop(index, None)
            return
        names = list(map(full_name, self._node.get_publishers_info_by_topic(controller.topic)))
        own = self._node.get_fully_qualified_name()
        others = [name for k, name in enumerate(names) if name != own or own in names[:k]]
        if not others:
            return
        self._rivals[index] = (
            f"{', '.join(sorted(others))} publishes {controller.topic} too: end it (one that was "
            "killed leaves the graph within 20 s)"
        )
        self._rival(self._rivals[index])

    def _ask(self, index: int) -> None:
        """Request the joints of a controller; the answer arrives later."""
        client, now_ns = self._clients[index], time.monotonic_ns()
        waits = now_ns - self._asked_ns.get(index, -ANSWER_NS) < ANSWER_NS
        if waits or not client.service_is_ready():
            return
        self._asked_ns[index] = now_ns
        future = client.call_async(GetParameters.Request(names=list(PARAMETERS)))
        future.add_done_callback(partial(self._on_answer, index))

    def _on_answer(self, index: int, future: Any) -> None:
        self._asked_ns.pop(index, None)
        response = future.result()
        if response is None or len(response.values) != len(PARAMETERS):
            return
        joints, interface = response.values
        known = joints.type == ParameterType.PARAMETER_STRING_ARRAY
        mismatch = self._controllers[index].record_parameters(
            tuple(joints.string_array_value) if known else None, interface.string_value
        )
        self._note(index, mismatch)

    def _on_transition(self, index: int, message: TransitionEvent) -> None:
        label = message.goal_state.label
        self._note(index, self._controllers[index].record_transition(label, time.monotonic_ns()))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        now_ns = time.monotonic_ns()
        for status in message.status:
            if not status.name.endswith(ACTIVITY) or not self._is_ours(status.name):
                continue
            labels = {item.key.removesuffix(STATE_SUFFIX): item.value for item in status.values}
            for k, controller in enumerate(self._controllers):
                if label := labels.get(controller.name.rpartition("/")[2]):
                    self._note(k, controller.record_report(label, now_ns))

    def _is_ours(self, name: str) -> bool:
        """Return whether a report on the global topic is about the controllers of this robot.

        A manager's report has its node's name without its namespace: with several managers it
        cannot be told which robot it is about. A simulated cell reports its namespace too.
        """
        source = name.partition(":")[0]
        if "/" in source:
            namespace: str = self._node.get_namespace()
            return source.strip("/").rpartition("/")[0] == namespace.strip("/")
        managers = [n for n, _ in self._node.get_node_names_and_namespaces() if n == source]
        return len(managers) <= 1

    def _note(self, index: int, reason: str) -> None:
        if reason:
            self._lost(index, reason)


def publisher_names(node: Node, topic: str) -> Sequence[str]:
    """Return the full names of the nodes that publish a topic, in order."""
    infos = node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
    return sorted(set(map(full_name, infos)))


def full_name(endpoint: TopicEndpointInfo) -> str:
    """Return the full name of the node of an endpoint, which may not be discovered yet."""
    if endpoint.node_name == UNDISCOVERED:
        return "a node that was discovered just now"
    return f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}"
