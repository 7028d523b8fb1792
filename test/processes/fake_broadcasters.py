"""Publishers of `joint_states`: broadcasters of ros2_control, and other nodes."""

import time
from array import array
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Time
from processes.fake_controllers import Controller
from processes.fake_hardware import UPDATE_RATE_HZ, Hardware
from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import JointState

from dbp_ros.nodes.qos import LATCHED
from dbp_ros.nodes.steady_clock import ns_to_stamp
from dbp_ros.runtime.rate_loop import RateThread


def joint_state(joints: Sequence[str], positions: np.ndarray, stamp: Time) -> JointState:
    """Return a message as of a broadcaster without velocity and effort interfaces."""
    message = JointState(name=list(joints), position=array("d", positions.tobytes()))
    message.velocity = message.effort = array("d", [float("nan")] * len(joints))
    message.header.stamp = stamp
    return message


class Broadcaster(Controller):
    """Fake `joint_state_broadcaster`: publishes some joints in alphabetical order.

    Attributes:
        freezes: Whether the values are constant, with fresh stamps.
        rate_hz: Messages per second; a divisor of the update rate.
    """

    claims = False

    def __init__(
        self,
        name: str,
        hardware: Hardware,
        joints: Sequence[str],
        context: Context,
        serves_parameters: bool = True,
        rate_hz: float = UPDATE_RATE_HZ,
    ) -> None:
        super().__init__(name, hardware, sorted(joints), context, serves_parameters)
        self.freezes, self.rate_hz = False, rate_hz
        self._publisher = self.create_publisher(JointState, "/joint_states", LATCHED)
        self._values = hardware.positions[self._indices]
        self._cycle = 0

    @property
    def is_matched(self) -> bool:
        """Whether a subscription is discovered; joint states before that are lost."""
        return self._publisher.get_subscription_count() > 0

    def update(self, now_ns: int) -> None:
        self._cycle += 1
        if self._cycle % round(UPDATE_RATE_HZ / self.rate_hz):
            return
        if not self.freezes:
            self._values = self.hardware.positions[self._indices]
        stamp = self.get_clock().now().to_msg()
        self._publisher.publish(joint_state(self.joints, self._values, stamp))


class OtherJointStates(Node):
    """Another publisher of `joint_states`: a mobile base, a stale simulator, a bag.

    Attributes:
        positions: Published positions. Shape (joints,).
    """

    def __init__(
        self, name: str, joints: Sequence[str], rate_hz: float = 50.0, age_s: float = 0.0
    ) -> None:
        """Publish zeros until the node is closed.

        Args:
            name: Name of the node.
            joints: Published joints.
            rate_hz: Messages per second.
            age_s: Age of the stamps.
        """
        super().__init__(name, enable_rosout=False, start_parameter_services=False)
        self.positions = np.zeros(len(joints))
        self._joints, self._age_ns = list(joints), round(age_s * 1e9)
        self._publisher = self.create_publisher(JointState, "/joint_states", LATCHED)
        self._loop = RateThread(name, rate_hz, self._publish)
        self._loop.start()

    def close(self) -> None:
        """Stop publishing and leave the graph."""
        self._loop.stop()
        self.destroy_node()

    def _publish(self, _: int) -> None:
        stamp = ns_to_stamp(time.time_ns() - self._age_ns)
        self._publisher.publish(joint_state(self._joints, self.positions, stamp))
