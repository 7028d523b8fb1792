"""Move the arms by topics, as a teleoperation node does: joint states in, action chunks out.

Replace `ArmDriver.target` with the joints of a leader arm, or with what a gamepad commands.
"""

import sys

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.nodes.conversions import trajectory_message
from dbp_ros.nodes.process import run_node
from dbp_ros.nodes.qos import COMMAND_PUBLISHER, SENSOR
from dbp_ros.settings.robot_files import read_robot

JOINTS = read_robot("ur5e_dual").joints
RATE_HZ, PERIOD_S, ARM_RAD, GRIPPER_M = 30, 4.0, 0.25, -0.03
# Points of a chunk, more than one period: if the node stops, the guard brakes after 0.1 s.
TIMES_S = np.arange(1, 9) / RATE_HZ


class ArmDriver(Node):
    """Node that moves both hands round in ellipses, from the first measured position."""

    def __init__(self) -> None:
        super().__init__("arm_driver")
        self._measured: dict[str, float] = {}
        self._start, self._time_s = None, 0.0
        self._amplitude = np.array([GRIPPER_M if "gripper" in j else ARM_RAD for j in JOINTS])
        self._sideways = ["shoulder_pan" in joint for joint in JOINTS]
        self._chunks = self.create_publisher(JointTrajectory, "action_chunk", COMMAND_PUBLISHER)
        self.create_subscription(JointState, "joint_states", self._on_joint_states, SENSOR)
        self.create_timer(1 / RATE_HZ, self._publish)

    def target(self, times_s: np.ndarray) -> np.ndarray:
        """Return the positions of the joints at some times, in [rad] and [m]."""
        phases = 2 * np.pi * times_s[:, None] / PERIOD_S
        waves = np.where(self._sideways, np.sin(phases), (1 - np.cos(phases)) / 2)
        return self._start + waves * self._amplitude

    def _on_joint_states(self, message: JointState) -> None:
        self._measured.update(zip(message.name, message.position, strict=True))
        if self._start is None and self._measured.keys() >= set(JOINTS):
            self._start = np.array([self._measured[joint] for joint in JOINTS])

    def _publish(self) -> None:
        if self._start is not None:
            points = self.target(self._time_s + TIMES_S)
            self._chunks.publish(trajectory_message(JOINTS, TIMES_S, points))
            self._time_s += 1 / RATE_HZ

    def close(self) -> None:
        """Stop no threads, as the node has none."""


if __name__ == "__main__":
    sys.exit(run_node(ArmDriver))
