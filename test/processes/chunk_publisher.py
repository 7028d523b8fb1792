"""A policy without a model: publishes chunks along a slow sinusoid of every joint."""

import time

import numpy as np
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.nodes.conversions import ChunkWriter
from dbp_ros.nodes.qos import COMMAND
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS
from dbp_ros.types import NS_PER_S, ActionChunk

RATE_HZ = 50
STEP_NS = 20_000_000
POINTS = 12
ARM_AMPLITUDE, GRIPPER_AMPLITUDE = 0.2, 0.04
ANGULAR_FREQUENCY = 1.5
GRIPPER_CENTRE = 0.0425
AMPLITUDE = np.array(
    [GRIPPER_AMPLITUDE if "gripper" in joint else ARM_AMPLITUDE for joint in DUAL_UR5E_JOINTS]
)


class ChunkPublisher(Node):
    """Publishes `action_chunk`, or another topic, at 50 Hz from `start` until it is closed.

    Attributes:
        centre: Centre of the sinusoid. Shape (nu,).
        factor: Factor of every point, for invalid chunks.
        offset: Offset of every point.
        publishes: Whether chunks are published.
    """

    def __init__(
        self, centre: np.ndarray, name: str = "policy", topic: str = "/action_chunk"
    ) -> None:
        super().__init__(name, enable_rosout=False, start_parameter_services=False)
        self.reset(centre)
        self._clock = SteadyClock(self.get_clock())
        self._writer = ChunkWriter(DUAL_UR5E_JOINTS, self._clock)
        self._publisher = self.create_publisher(JointTrajectory, topic, COMMAND)
        self._loop = RateThread(name, RATE_HZ, self._publish)

    def start(self) -> None:
        self._loop.start()

    def close(self) -> None:
        """Stop publishing and leave the graph."""
        self._loop.stop()
        self.destroy_node()

    def reset(self, centre: np.ndarray) -> None:
        """Publish a valid sinusoid around a position."""
        self.centre = np.where(AMPLITUDE == GRIPPER_AMPLITUDE, GRIPPER_CENTRE, centre)
        self.factor, self.offset, self.publishes = 1.0, 0.0, True

    def target(self, time_ns: int) -> np.ndarray:
        """Return the sinusoid's value at a steady time. Shape (nu,)."""
        return self.centre + np.sin(ANGULAR_FREQUENCY * time_ns / NS_PER_S) * AMPLITUDE

    def wait_for_extreme(self) -> None:
        """Sleep until the sinusoid turns: half a period later it is at its other extreme."""
        phase = ANGULAR_FREQUENCY * time.monotonic()
        time.sleep((np.pi - (phase - np.pi / 2) % np.pi) / ANGULAR_FREQUENCY)

    def _publish(self, now_ns: int) -> None:
        if self.publishes:
            due_ns = now_ns + STEP_NS * np.arange(1, POINTS + 1)
            positions = np.array([self.target(each_ns) for each_ns in due_ns])
            chunk = ActionChunk(self.factor * positions + self.offset, due_ns, now_ns)
            self._publisher.publish(self._writer.write(chunk))
