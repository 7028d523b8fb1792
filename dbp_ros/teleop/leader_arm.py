"""Leader arm: a second arm whose measured positions the robot follows."""

from collections.abc import Mapping, Sequence

import numpy as np

from dbp_ros.settings.teleop import LeaderJoint
from dbp_ros.types import Array


class LeaderArm:
    """Positions of a leader by the joints of the robot.

    Attributes:
        positions: Newest positions in [rad] and [m]; NaN for joints without any. Shape (nu,).
    """

    def __init__(self, joints: Sequence[str], mapping: Sequence[LeaderJoint]) -> None:
        """Prepare the mapping.

        Args:
            joints: Joints of the robot, in order.
            mapping: Joints of the leader; empty if they have the names of the robot's.
        """
        # One joint of the leader may move several of the robot, as both fingers of a gripper.
        self._mapping = [
            (joints.index(item.joint), item)
            for item in mapping or [LeaderJoint(joint, joint) for joint in joints]
        ]
        self.positions = np.full(len(joints), np.nan)
        # By joint: one of two leader arms may be silent.
        self._arrivals_ns = np.zeros(len(joints), np.int64)

    def add(self, positions: Mapping[str, float], now_ns: int) -> bool:
        """Record positions by the names of the leader; return whether one is of the robot."""
        known = [(column, item) for column, item in self._mapping if item.leader in positions]
        values, arrivals_ns = self.positions.copy(), self._arrivals_ns.copy()
        for column, item in known:
            values[column] = item.scale * positions[item.leader] + item.offset
            arrivals_ns[column] = now_ns
        self.positions, self._arrivals_ns = values, arrivals_ns
        return bool(known)

    def clear(self) -> None:
        """Forget all positions, such as those from before a take-over."""
        self.positions = np.full(len(self.positions), np.nan)

    def target(self, now_ns: int, timeout_ns: int) -> Array:
        """Return the newest positions, NaN where they are older than the timeout. Shape (nu,)."""
        return np.where(now_ns - self._arrivals_ns <= timeout_ns, self.positions, np.nan)
