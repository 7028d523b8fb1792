"""Controllers of the simulated cell, their activity, and the protective stop."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_srvs.srv import SetBool

from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.background_spinner import BackgroundSpinner
from dbp_ros.nodes.controller_node import ControllerNode
from dbp_ros.settings.controllers import ControllersConfig
from dbp_ros.sim.controllers import ForwardController, JointTargets
from dbp_ros.types import Array, seconds_to_ns

# As in the controller manager.
ACTIVITY_PERIOD_S = 1.0


class SimulatedControllers:
    """The controllers of the cell, their activity on `/diagnostics`, and the protective stop."""

    def __init__(
        self,
        owner: Node,
        config: ControllersConfig,
        targets: JointTargets,
        positions: Callable[[], Array],
    ) -> None:
        """Create a node for each controller, active, and run their services.

        Args:
            owner: Node of the cell.
            config: Names the controllers and their joints.
            targets: Joint targets.
            positions: Returns the measured positions in [rad] and [m]. Shape (nu,).
        """
        self._owner, self._targets, self._positions = owner, targets, positions
        self._controllers: list[ForwardController] = []
        self._nodes: list[ControllerNode] = []
        for name, part in zip(config.controllers, config.controller_slices(), strict=True):
            controller = ForwardController(name, config.joints[part])
            self._controllers.append(controller)
            self._nodes.append(ControllerNode(owner, controller, partial(targets.set, part)))
        self._diagnostics = owner.create_publisher(DiagnosticArray, "/diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        owner.create_timer(ACTIVITY_PERIOD_S, self._publish_activity, clock=steady)
        owner.create_service(SetBool, "~/protective_stop", self._on_protective_stop)
        self._spinner = BackgroundSpinner("controllers", self._nodes)

    def close(self) -> None:
        """End the services."""
        self._spinner.close()

    def read(self) -> None:
        """Forward the newest command of each active controller; called by the physics thread."""
        for node in self._nodes:
            node.read()

    def clear(self) -> None:
        """Clear the problems of dropped commands; inactive controllers stay inactive."""
        for controller in self._controllers:
            controller.clear()

    def commanded_within(self, seconds: float) -> str:
        """Return a controller that received a command in the last seconds; empty if none did."""
        since_ns = time.monotonic_ns() - seconds_to_ns(seconds)
        pairs = zip(self._controllers, self._nodes, strict=True)
        return next((c.name for c, node in pairs if node.received_ns > since_ns), "")

    def state(self) -> tuple[bytes, str]:
        """Return a diagnostic level and the problems, empty if there are none."""
        problems = [controller.status for controller in self._controllers]
        if self._targets.stopped:
            stop = f"{self._owner.get_name()}/protective_stop"
            problems.insert(0, f"a protective stop holds the arms: call {stop} with false")
        failed = any(controller.failed for controller in self._controllers)
        return diagnostics.ERROR if failed else diagnostics.WARN, "; ".join(filter(None, problems))

    def statistics(self) -> dict[str, Any]:
        """Return the state and the counters of each controller."""
        return {
            controller.name: {
                "state": controller.lifecycle_state,
                "ignored_commands": controller.ignored_commands,
                "refused_commands": controller.refused_commands,
            }
            for controller in self._controllers
        }

    def _on_protective_stop(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        self._targets.protective_stop(self._positions() if request.data else None)
        response.success = True
        return response

    def _publish_activity(self) -> None:
        status = DiagnosticStatus(
            level=diagnostics.OK,
            # With the namespace, by which the guard of each robot selects its controllers.
            name=f"{self._owner.get_fully_qualified_name()}: Controllers Activity",
            message="All controllers are active",
            hardware_id="simulation",
            values=[KeyValue(key=c.name, value=c.lifecycle_state) for c in self._controllers],
        )
        if not all(controller.active for controller in self._controllers):
            status.level, status.message = diagnostics.WARN, "Not all controllers are active"
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._owner.get_clock().now().to_msg()
        self._diagnostics.publish(message)
