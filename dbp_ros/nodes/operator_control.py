"""Requests of an operator to the guard: control in place of the policy, and speed scaling."""

import math
import threading

from rclpy.node import Node
from std_msgs.msg import Bool, Float64
from std_srvs.srv import SetBool

from dbp_ros.motion.guard import MotionGuard
from dbp_ros.nodes.qos import LATCHED
from dbp_ros.nodes.stateful_topic import subscribe_stateful

MIN_SPEED_SCALING = 0.05


class OperatorControl:
    """Service `~/operator_control`, topics `intervention` and `~/speed_scaling` of the guard.

    Attributes:
        problem: Why the last speed scaling was refused; empty if it was not.
    """

    def __init__(self, node: Node, guard: MotionGuard, lock: threading.Lock) -> None:
        """Create the service and the topics.

        Args:
            node: Node of the guard.
            guard: Its rules.
            lock: Protects them.
        """
        self.problem = ""
        self._guard, self._lock = guard, lock
        self._logger = node.get_logger()
        self._intervention = node.create_publisher(Bool, "intervention", LATCHED)
        # After a restart of the guard no operator has control.
        self._intervention.publish(Bool(data=False))
        node.create_service(SetBool, "~/operator_control", self._on_control)
        subscribe_stateful(node, Float64, "~/speed_scaling", self._on_speed_scaling)

    def _on_control(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        with self._lock:
            changed = self._guard.chunks.set_operator_control(request.data)
        owner = "an operator" if request.data else "the policy"
        response.success = True
        response.message = f"{owner} has control" if changed else f"{owner} already has control"
        if changed:
            self._intervention.publish(Bool(data=request.data))
            self._logger.info(response.message)
        return response

    def _on_speed_scaling(self, message: Float64) -> None:
        factor = message.data
        # A comparison with NaN is false.
        if not (math.isfinite(factor) and MIN_SPEED_SCALING <= factor <= 1.0):
            self.problem = (
                f"speed_scaling is {factor:g}, expected {MIN_SPEED_SCALING:g} to 1: it stays at "
                f"{self._guard.speed_scaling:g}"
            )
            return
        self.problem = ""
        with self._lock:
            self._guard.scale_speed(factor)
