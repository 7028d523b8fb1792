"""Newest command of the guard, polled by another node."""

from collections.abc import Callable
from functools import partial

import numpy as np
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from std_msgs.msg import Float64MultiArray

from dbp_ros.nodes.polled_subscriptions import PolledSubscriptions
from dbp_ros.nodes.qos import SENSOR
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.types import Array


class CommandListener:
    """Commands of all controllers of a robot as one vector.

    The thread that calls `poll` receives the messages.
    """

    def __init__(self, node: Node, robot: RobotDescription, now_ns: Callable[[], int]) -> None:
        """Subscribe to the commands of all controllers.

        Args:
            node: Owner; its subscriptions must not count as controllers, see `PASSIVE_NODES`.
            robot: Description of the robot.
            now_ns: Returns the steady time.
        """
        self._now_ns = now_ns
        self._command = np.full(len(robot.joints), np.nan)
        self._arrivals_ns: dict[str, int] = dict.fromkeys(robot.forward_controllers, 0)
        self._subscriptions = PolledSubscriptions(node)
        start = 0
        for name, joints in robot.forward_controllers.items():
            part = slice(start, start + len(joints))
            start = part.stop
            callback = partial(self._on_command, name, part)
            self._subscriptions.subscribe(Float64MultiArray, f"{name}/commands", callback, SENSOR)

    def poll(self) -> tuple[Array, int] | None:
        """Return the newest command and its arrival, the oldest of all controllers; None if none.

        The command is a copy in [rad] and [m]. Shape (nu,).
        """
        self._subscriptions.poll()
        oldest_ns = min(self._arrivals_ns.values())
        return (self._command.copy(), oldest_ns) if oldest_ns else None

    def _on_command(self, name: str, part: slice, message: bytes) -> None:
        values = deserialize_message(message, Float64MultiArray).data
        if len(values) == part.stop - part.start and np.isfinite(values).all():
            self._command[part] = values
            self._arrivals_ns[name] = self._now_ns()
