"""Monitor of the controllers and of other publishers of their commands.

A forward command controller executes the commands of any publisher, in the order of its own joints,
and holds its last command when it is inactive. Before and while control is enabled, each controller
must therefore be loaded and active, with the expected joints in the expected order, and without
another publisher. The sources are standard: transition events, diagnostics of the controller
manager, parameters, and the ROS graph.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import TransitionEvent
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.topic_endpoint_info import TopicEndpointInfo
from std_msgs.msg import Float64MultiArray

from dbp_ros.motion.controllers import ControllerState
from dbp_ros.nodes.endpoints import UNDISCOVERED, publisher_names
from dbp_ros.nodes.polled_subscriptions import NODE_SUFFIX
from dbp_ros.nodes.qos import COMMAND_PUBLISHER, EVENTS
from dbp_ros.settings.controllers import ControllersConfig

WATCH_RATE_HZ = 20.0
COMMANDS = "/commands"
ACTIVITY = "Controllers Activity"
STATE_SUFFIX = ".state"
# Nodes that subscribe to commands without executing them: tools, and nodes of this package.
TOOLS = ("_ros2cli", "rosbag2", "foxglove")
PASSIVE_NODES = frozenset({"recorder", f"teleop{NODE_SUFFIX}"})
# An endpoint whose node is unknown for longer counts as that of a driver.
UNDISCOVERED_NS = 3_000_000_000
# The name of a node usually follows its endpoint within milliseconds.
DISCOVERY_RATE_HZ = 200.0
# A request without a response is repeated after this time.
RETRY_NS = 1_000_000_000
PARAMETERS = ("joints", "interface_name")


class ControllerMonitor:
    """Publishers of the commands, and the state of the controllers.

    Callbacks run in the thread that spins the node.

    Attributes:
        publishers: One publisher per controller.
        arms_held: Whether the arms are held, and may wait for a check of the controllers.
    """

    def __init__(
        self,
        node: Node,
        config: ControllersConfig,
        on_loss: Callable[[int, str], None],
        on_other_publisher: Callable[[str], None],
        wait: Callable[[], None] = lambda: None,
    ) -> None:
        """Create the publishers and subscriptions.

        Args:
            node: Node of the guard.
            config: Controllers and their joints.
            on_loss: Called with the index of a controller and a sentence when the controller can no
                longer be commanded.
            on_other_publisher: Called with a sentence when another node publishes commands.
            wait: Blocks until the command loop is idle.
        """
        self._node = node
        self._on_loss = on_loss
        self._on_other_publisher = on_other_publisher
        self._wait = wait
        self._ticks = 0
        self.arms_held = False
        self._failure: Exception | None = None
        self._controllers: list[ControllerState] = []
        self._clients: list[Client] = []
        self._requested_ns: dict[int, int] = {}
        self._undiscovered_ns: dict[bytes, int] = {}
        # Controllers with a subscription whose node is not discovered yet.
        self._undiscovered: set[int] = set()
        self._other_publishers: dict[int, str] = {}
        self.publishers: list[Publisher] = []
        slices = config.controller_slices()
        self._checked_ns = [0] * len(slices)
        # Names of the nodes of the controllers.
        self._names: list[str] = []
        for k, (name, part) in enumerate(zip(config.controllers, slices, strict=True)):
            topic = node.resolve_topic_name(f"{name}{COMMANDS}")
            # The commands may be remapped to those of a controller of another name.
            source = topic.removesuffix(COMMANDS) if topic.endswith(COMMANDS) else name
            self._names.append(source.rpartition("/")[2])
            self._controllers.append(ControllerState(name, topic, config.joints[part]))
            events = PublisherEventCallbacks(matched=partial(self._on_matched, k))
            self.publishers.append(
                node.create_publisher(
                    Float64MultiArray,
                    f"{name}{COMMANDS}",
                    COMMAND_PUBLISHER,
                    event_callbacks=events,
                )
            )
            node.create_subscription(
                TransitionEvent,
                f"{source}/transition_event",
                partial(self._on_transition, k),
                EVENTS,
            )
            self._clients.append(node.create_client(GetParameters, f"{source}/get_parameters"))
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(1.0 / WATCH_RATE_HZ, self._tick, clock=steady)
        self._discovery = node.create_timer(
            1.0 / DISCOVERY_RATE_HZ, self._inspect_undiscovered, clock=steady, autostart=False
        )

    @property
    def problems(self) -> list[str]:
        """Reasons why control cannot be enabled, one sentence per cause."""
        for k in range(len(self._controllers)):
            self._inspect(k)
        now_ns = time.monotonic_ns()
        found = [controller.problem(now_ns) for controller in self._controllers]
        return [*self.other_publishers, *filter(None, found)]

    @property
    def other_publishers(self) -> list[str]:
        """Other publishers of commands, one sentence per topic."""
        return list(self._other_publishers.values())

    @property
    def checked_ns(self) -> int:
        """Steady time of the oldest of the last complete checks of the controllers."""
        return min(self._checked_ns)

    def _tick(self) -> None:
        """Inspect one controller, as graph queries hold the GIL; all while the arms are held."""
        if self._failure is not None:
            raise self._failure
        count = len(self._controllers)
        self._ticks += 1
        for index in range(count) if self.arms_held else (self._ticks % count,):
            self._wait()
            self._inspect(index)

    def _on_matched(self, index: int, _: Any) -> None:
        """Inspect a controller at once; an exception from here would end the executor."""
        try:
            self._inspect(index)
        except Exception as error:
            self._failure = error

    def _inspect(self, index: int) -> None:
        controller, now_ns = self._controllers[index], time.monotonic_ns()
        self._find_other_publishers(index, controller)
        subscribers = self._node.get_subscriptions_info_by_topic(controller.topic)
        pending = [info for info in subscribers if self._is_pending(info, now_ns)]
        executing = [info for info in subscribers if info not in pending and may_execute(info)]
        name = self._names[index]
        own = frozenset(bytes(info.endpoint_gid) for info in executing if info.node_name == name)
        self._report_loss(index, controller.record_subscribers(own, len(executing), now_ns))
        self._record_check(index, bool(pending), now_ns)
        controller.record_service(bool(own) and self._clients[index].service_is_ready())
        if own and not controller.has_parameters:
            self._request_parameters(index)

    def _is_pending(self, endpoint: TopicEndpointInfo, now_ns: int) -> bool:
        """Return whether the node of a subscription may still be discovered."""
        gid = bytes(endpoint.endpoint_gid)
        if endpoint.node_name == UNDISCOVERED:
            return now_ns - self._undiscovered_ns.setdefault(gid, now_ns) <= UNDISCOVERED_NS
        self._undiscovered_ns.pop(gid, None)
        return False

    def _record_check(self, index: int, pending: bool, now_ns: int) -> None:
        """Record an inspection; repeat it soon while the node of a subscription is unknown."""
        if pending:
            self._undiscovered.add(index)
            self._discovery.reset()
        else:
            self._undiscovered.discard(index)
            self._checked_ns[index] = now_ns

    def _inspect_undiscovered(self) -> None:
        if not self._undiscovered:
            self._discovery.cancel()
            return
        for index in tuple(self._undiscovered):
            self._wait()
            self._inspect(index)

    def _find_other_publishers(self, index: int, controller: ControllerState) -> None:
        if self._node.count_publishers(controller.topic) <= 1:
            self._other_publishers.pop(index, None)
            return
        names = publisher_names(self._node, controller.topic)
        own = self._node.get_fully_qualified_name()
        others = [name for k, name in enumerate(names) if name != own or own in names[:k]]
        if not others:
            return
        self._other_publishers[index] = (
            f"{', '.join(others)} publishes {controller.topic} too: end it (a killed node "
            "leaves the graph within 20 s)"
        )
        self._on_other_publisher(self._other_publishers[index])

    def _request_parameters(self, index: int) -> None:
        client, now_ns = self._clients[index], time.monotonic_ns()
        pending = now_ns - self._requested_ns.get(index, -RETRY_NS) < RETRY_NS
        if pending or not client.service_is_ready():
            return
        self._requested_ns[index] = now_ns
        answers: dict[str, ParameterValue] = {}
        # A node has no values in its response if one of the names is not declared.
        for name in PARAMETERS:
            future = client.call_async(GetParameters.Request(names=[name]))
            future.add_done_callback(partial(self._on_parameter, index, name, answers))

    def _on_parameter(
        self, index: int, name: str, answers: dict[str, ParameterValue], future: Any
    ) -> None:
        response = future.result()
        if response is None:
            return
        answers[name] = response.values[0] if response.values else ParameterValue()
        if len(answers) < len(PARAMETERS):
            return
        self._requested_ns.pop(index, None)
        joints, interface = (answers[name] for name in PARAMETERS)
        is_list = joints.type == ParameterType.PARAMETER_STRING_ARRAY
        mismatch = self._controllers[index].record_parameters(
            tuple(joints.string_array_value) if is_list else None, interface.string_value
        )
        self._report_loss(index, mismatch)

    def _on_transition(self, index: int, message: TransitionEvent) -> None:
        label = message.goal_state.label
        self._report_loss(
            index, self._controllers[index].record_transition(label, time.monotonic_ns())
        )

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        now_ns = time.monotonic_ns()
        for status in message.status:
            if not status.name.endswith(ACTIVITY) or not self._is_own_report(status.name):
                continue
            labels = {item.key.removesuffix(STATE_SUFFIX): item.value for item in status.values}
            for k, controller in enumerate(self._controllers):
                if label := labels.get(self._names[k]):
                    self._report_loss(k, controller.record_report(label, now_ns))

    def _is_own_report(self, name: str) -> bool:
        """Return whether a report on the global topic is about the controllers of this robot.

        A report of a controller manager has no namespace: with several managers its robot is
        unknown. A simulated cell includes its namespace.
        """
        source = name.partition(":")[0]
        if "/" in source:
            namespace: str = self._node.get_namespace()
            return source.strip("/").rpartition("/")[0] == namespace.strip("/")
        managers = [n for n, _ in self._node.get_node_names_and_namespaces() if n == source]
        return len(managers) <= 1

    def _report_loss(self, index: int, reason: str) -> None:
        if reason:
            self._on_loss(index, reason)


def may_execute(endpoint: TopicEndpointInfo) -> bool:
    """Return whether a subscription to commands may be that of a controller or a driver."""
    name = endpoint.node_name
    return name not in PASSIVE_NODES and not name.startswith(TOOLS)
