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

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.topic_endpoint_info import TopicEndpointInfo

from dbp_ros.nodes.endpoints import UNDISCOVERED, is_own_report
from dbp_ros.nodes.polled_subscriptions import NODE_SUFFIX
from dbp_ros.nodes.watched_controller import WatchedController
from dbp_ros.settings.controllers import ControllersConfig

WATCH_RATE_HZ = 20.0
ACTIVITY = "Controllers Activity"
STATE_SUFFIX = ".state"
# Nodes that subscribe to commands without executing them: tools, and nodes of this package.
TOOLS = ("_ros2cli", "rosbag2", "foxglove")
PASSIVE_NODES = frozenset({"recorder", f"teleop{NODE_SUFFIX}"})
# An endpoint whose node is unknown for longer counts as that of a driver.
UNDISCOVERED_NS = 3_000_000_000
# The name of a node usually follows its endpoint within milliseconds.
DISCOVERY_RATE_HZ = 200.0


class ControllerMonitor:
    """Publishers of the commands, and the state of the controllers.

    Callbacks run in the thread that spins the node.

    Attributes:
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
        self._node, self._wait = node, wait
        self._on_other_publisher = on_other_publisher
        self._ticks = 0
        self.arms_held = False
        self._failure: Exception | None = None
        # First sight of the subscriptions whose nodes are unknown.
        self._undiscovered_ns: dict[bytes, int] = {}
        parts = zip(config.controllers, config.controller_slices(), strict=True)
        self._controllers = [
            WatchedController(
                node, name, config.joints[part], partial(on_loss, k), self._inspect_safely
            )
            for k, (name, part) in enumerate(parts)
        ]
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(1.0 / WATCH_RATE_HZ, self._tick, clock=steady)
        self._discovery = node.create_timer(
            1.0 / DISCOVERY_RATE_HZ, self._inspect_undiscovered, clock=steady, autostart=False
        )

    @property
    def publishers(self) -> list[Publisher]:
        """One publisher per controller."""
        return [controller.publisher for controller in self._controllers]

    @property
    def problems(self) -> list[str]:
        """Reasons why control cannot be enabled, one sentence per cause."""
        for controller in self._controllers:
            self._inspect(controller)
        now_ns = time.monotonic_ns()
        found = [controller.state.problem(now_ns) for controller in self._controllers]
        return [*self.other_publishers, *filter(None, found)]

    @property
    def other_publishers(self) -> list[str]:
        """Other publishers of commands, one sentence per topic."""
        return [one.other_publishers for one in self._controllers if one.other_publishers]

    @property
    def checked_ns(self) -> int:
        """Steady time of the oldest of the last complete checks of the controllers."""
        return min(controller.checked_ns for controller in self._controllers)

    def _tick(self) -> None:
        """Inspect one controller, as graph queries hold the GIL; all while the arms are held."""
        if self._failure is not None:
            raise self._failure
        self._ticks += 1
        one = self._controllers[self._ticks % len(self._controllers)]
        for controller in self._controllers if self.arms_held else (one,):
            self._wait()
            self._inspect(controller)

    def _inspect_safely(self, controller: WatchedController) -> None:
        """Inspect a controller at once; an exception from here would end the executor."""
        try:
            self._inspect(controller)
        except Exception as error:
            self._failure = error

    def _inspect(self, controller: WatchedController) -> None:
        now_ns = time.monotonic_ns()
        if others := controller.find_other_publishers():
            self._on_other_publisher(others)
        subscribers = self._node.get_subscriptions_info_by_topic(controller.state.topic)
        pending = [info for info in subscribers if self._is_pending(info, now_ns)]
        executing = [info for info in subscribers if info not in pending and may_execute(info)]
        controller.record_subscribers(executing, bool(pending), now_ns)
        if pending:
            self._discovery.reset()

    def _is_pending(self, endpoint: TopicEndpointInfo, now_ns: int) -> bool:
        """Return whether the node of a subscription may still be discovered."""
        gid = bytes(endpoint.endpoint_gid)
        if endpoint.node_name == UNDISCOVERED:
            return now_ns - self._undiscovered_ns.setdefault(gid, now_ns) <= UNDISCOVERED_NS
        self._undiscovered_ns.pop(gid, None)
        return False

    def _inspect_undiscovered(self) -> None:
        undiscovered = [one for one in self._controllers if one.is_undiscovered]
        if not undiscovered:
            self._discovery.cancel()
        for controller in undiscovered:
            self._wait()
            self._inspect(controller)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        now_ns = time.monotonic_ns()
        for status in message.status:
            if not status.name.endswith(ACTIVITY) or not is_own_report(self._node, status.name):
                continue
            labels = {item.key.removesuffix(STATE_SUFFIX): item.value for item in status.values}
            for controller in self._controllers:
                if label := labels.get(controller.node_name):
                    controller.record_report(label, now_ns)


def may_execute(endpoint: TopicEndpointInfo) -> bool:
    """Return whether a subscription to commands may be that of a controller or a driver."""
    name = endpoint.node_name
    return name not in PASSIVE_NODES and not name.startswith(TOOLS)
