"""Goal of one hand: an absolute pose, moved by twists."""

import numpy as np

from dbp_ros.settings.teleop import TeleopConfig
from dbp_ros.teleop.poses import difference, moved, shortened
from dbp_ros.types import Array, seconds_to_ns

# Speed of approach per distance, so that a hand decelerates before its goal [1/s].
APPROACH_GAIN_HZ = 6.0
# A goal that is moved by twists is at most this factor farther ahead than at full speed, so that a
# hand that cannot follow stops soon after the twist ends.
LEAD_FACTOR = 1.5
# A hand is at its goal within these distances: it gets no motion from rounding errors.
ARRIVED_M, ARRIVED_RAD = 1e-6, 1e-5


class HandGoal:
    """Goal of one hand, and the next step towards it within the speed limits.

    Attributes:
        pose: The goal. Shape (4, 4).
    """

    def __init__(self, config: TeleopConfig, pose: Array) -> None:
        """Set the goal to a pose. Shape (4, 4)."""
        self.pose = pose
        self._dt = 1.0 / config.teleop_rate_hz
        self._timeout_ns = seconds_to_ns(config.twist_timeout_s)
        self._speeds = config.hand_speed, config.hand_turn_speed
        self.hold(pose)

    def hold(self, pose: Array) -> None:
        """Set the goal to the present pose of the hand, at rest."""
        self.pose = pose
        self._twist, self._twisted_ns = np.zeros(6), 0

    @property
    def twisting(self) -> bool:
        """Whether a twist moves the goal."""
        return bool(self._twist.any())

    def expired(self, now_ns: int) -> bool:
        """Return whether a twist has ended by its timeout."""
        return self.twisting and now_ns - self._twisted_ns > self._timeout_ns

    def set_twist(self, twist: Array, now_ns: int) -> None:
        """Move the goal by a twist in [m/s] and [rad/s] until the timeout. Shape (6,)."""
        self._twist, self._twisted_ns = twist, now_ns

    def next_pose(self, present: Array, now_ns: int) -> Array:
        """Move the goal by the twist; return the pose of the hand at the end of this step.

        Args:
            present: Present pose of the hand. Shape (4, 4).
            now_ns: Present time.
        """
        if self.twisting and not self.expired(now_ns):
            linear, angular = self._limited(self._twist[:3], self._twist[3:])
            goal = moved(self.pose, linear * self._dt, angular * self._dt)
            offset, turn = difference(present, goal)
            lead, turn_lead = (LEAD_FACTOR * speed / APPROACH_GAIN_HZ for speed in self._speeds)
            self.pose = moved(present, shortened(offset, lead), shortened(turn, turn_lead))
        offset, turn = difference(present, self.pose)
        if np.linalg.norm(offset) < ARRIVED_M and np.linalg.norm(turn) < ARRIVED_RAD:
            return present
        linear, angular = self._limited(APPROACH_GAIN_HZ * offset, APPROACH_GAIN_HZ * turn)
        return moved(present, linear * self._dt, angular * self._dt)

    def _limited(self, linear: Array, angular: Array) -> tuple[Array, Array]:
        """Return velocities within the speed limits."""
        speed, turn_speed = self._speeds
        return shortened(linear, speed), shortened(angular, turn_speed)
