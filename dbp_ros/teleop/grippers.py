"""Grippers by their opening share: 0 is closed, 1 is open."""

import numpy as np

from dbp_ros.settings.robot import RobotDescription
from dbp_ros.settings.teleop import TeleopConfig
from dbp_ros.types import Array, Flags, seconds_to_ns


class Grippers:
    """Targets of the gripper joints."""

    def __init__(self, robot: RobotDescription, config: TeleopConfig) -> None:
        """Prepare the grippers of a robot."""
        self._columns = {
            name: np.array([robot.joints.index(j) for j in arm.gripper_joints], dtype=int)
            for name, arm in robot.arms.items()
        }
        self._closed, self._open = np.zeros((2, len(robot.joints)))
        for name, arm in robot.arms.items():
            if arm.gripper:
                closed, opened = arm.gripper.opening_limits(robot.joint_limits)
                self._closed[self._columns[name]] = closed
                self._open[self._columns[name]] = opened
        self._timeout_ns = seconds_to_ns(config.twist_timeout_s)
        self._targets = np.array(robot.home_positions)
        self._speeds = dict.fromkeys(robot.arms, (0.0, 0))

    def hold(self, arm: str, positions: Array) -> None:
        """Set the target of a gripper to its position in those of all joints. Shape (nu,)."""
        self._targets[self._columns[arm]] = positions[self._columns[arm]]
        self._speeds[arm] = (0.0, 0)

    def set_share(self, arm: str, share: float) -> None:
        """Set the target of a gripper; a share beyond 0 and 1 is clipped."""
        columns = self._columns[arm]
        closed, opened = self._closed[columns], self._open[columns]
        self._targets[columns] = closed + float(np.clip(share, 0.0, 1.0)) * (opened - closed)
        self._speeds[arm] = (0.0, 0)

    def set_speed(self, arm: str, speed: float, now_ns: int) -> None:
        """Open or close a gripper with a speed in shares [1/s], until the timeout."""
        self._speeds[arm] = (speed, now_ns)

    def follow(self, joints: Flags, positions: Array) -> None:
        """Set the targets of the grippers among some joints, which a leader moves.

        Args:
            joints: These joints. Shape (nu,).
            positions: Positions of all joints. Shape (nu,).
        """
        for columns in self._columns.values():
            led = columns[joints[columns]]
            self._targets[led] = positions[led]

    def move(self, target: Array, now_ns: int, dt: float) -> None:
        """Write the targets of the gripper joints into those of all joints. Shape (nu,)."""
        for arm, columns in self._columns.items():
            speed, set_ns = self._speeds[arm]
            if speed and now_ns - set_ns <= self._timeout_ns:
                closed, opened = self._closed[columns], self._open[columns]
                moved = self._targets[columns] + speed * dt * (opened - closed)
                low, high = np.minimum(closed, opened), np.maximum(closed, opened)
                self._targets[columns] = np.clip(moved, low, high)
            target[columns] = self._targets[columns]
