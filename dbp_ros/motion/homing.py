"""Point-to-point path in joint space, at rest at both ends."""

from collections.abc import Sequence

import numpy as np

from dbp_ros.errors import CommandError
from dbp_ros.types import Array

# Largest speed and acceleration of the quintic from 0 to 1 in one second: 15/8 and 10/sqrt(3).
PEAK_SPEED, PEAK_ACCELERATION = 1.875, 5.774
MIN_DURATION_S = 0.5
# Points in the search for the closest one.
SEARCHED = 2001


class HomingPath:
    """Quintic path in joint space: all joints start and stop together.

    Attributes:
        duration_s: Duration in [s].
        goal: Final positions in [rad] and [m]. Shape (nu,).
    """

    def __init__(self, start: Array, goal: Array, velocity: Array, acceleration: Array) -> None:
        """Plan the path with the shortest duration within the limits.

        Args:
            start: Present positions in [rad] and [m]. Shape (nu,).
            goal: Final positions. Shape (nu,).
            velocity: Velocity limits, in [1/s]. Shape (nu,).
            acceleration: Acceleration limits, in [1/s^2]. Shape (nu,).
        """
        self.goal = goal
        self._start, self._displacement = start, goal - start
        distance = np.abs(self._displacement)
        by_speed = float((PEAK_SPEED * distance / velocity).max())
        by_acceleration = float(np.sqrt(PEAK_ACCELERATION * distance / acceleration).max())
        self.duration_s = max(by_speed, by_acceleration, MIN_DURATION_S)

    def positions(self, times_s: Array) -> Array:
        """Return positions on the path.

        Args:
            times_s: Times since the start, in [s]; the path rests after its end. Shape (n,).

        Returns:
            Positions in [rad] and [m]. Shape (n, nu).
        """
        x = np.clip(times_s / self.duration_s, 0.0, 1.0)[:, None]
        return self._start + (10.0 * x**3 - 15.0 * x**4 + 6.0 * x**5) * self._displacement

    def nearest_time_s(self, positions: Array) -> float:
        """Return the time at which the path is closest to some positions. Shape (nu,)."""
        times_s = np.linspace(0.0, self.duration_s, SEARCHED)
        distances = np.abs(self.positions(times_s) - positions).max(axis=1)
        return float(times_s[int(np.argmin(distances))])


def check_home(
    joints: Sequence[str], home: Sequence[float], lower: Sequence[float], upper: Sequence[float]
) -> None:
    """Check that a home pose fits the robot.

    Args:
        joints: Names of the joints.
        home: Position of each joint, in [rad] and [m].
        lower: Lower position limits.
        upper: Upper position limits.

    Raises:
        CommandError: If a joint has no position, or one beyond its limits.
    """
    if len(home) != len(joints):
        raise CommandError(
            f"home_positions has {len(home)} numbers, expected {len(joints)}, one for each joint: "
            "correct the description of the robot"
        )
    for joint, position, low, high in zip(joints, home, lower, upper, strict=True):
        if not low <= position <= high:
            raise CommandError(
                f"home_positions has {position:g} for {joint}, expected {low:g} to {high:g}: "
                "correct the description of the robot"
            )
