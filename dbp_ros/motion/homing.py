"""A slow, straight way in joint space from one pose at rest to another."""

from collections.abc import Sequence

import numpy as np

from dbp_ros.errors import CommandError
from dbp_ros.types import Array

# Largest speed and acceleration of a quintic that goes from 0 to 1 in one second, at rest at both
# ends: 15/8 and 10/sqrt(3).
PEAK_SPEED, PEAK_ACCELERATION = 1.875, 5.774
LEAST_DURATION_S = 0.5


class HomingPath:
    """A quintic in joint space: all joints start and arrive together, at rest.

    Attributes:
        duration_s: How long it takes, in [s].
        goal: Where it ends, in [rad] and [m]. Shape (nu,).
    """

    def __init__(self, start: Array, goal: Array, velocity: Array, acceleration: Array) -> None:
        """Plan.

        Args:
            start: Where the joints are, in [rad] and [m]. Shape (nu,).
            goal: Where they are to go. Shape (nu,).
            velocity: Highest speed of each joint, in [1/s]. Shape (nu,).
            acceleration: Highest acceleration of each joint, in [1/s^2]. Shape (nu,).
        """
        self.goal = goal
        self._start, self._way = start, goal - start
        distance = np.abs(self._way)
        by_speed = float((PEAK_SPEED * distance / velocity).max())
        by_acceleration = float(np.sqrt(PEAK_ACCELERATION * distance / acceleration).max())
        self.duration_s = max(by_speed, by_acceleration, LEAST_DURATION_S)

    def positions(self, times_s: Array) -> Array:
        """Return where the joints are to be.

        Args:
            times_s: Times since the start, in [s]; past the end it is at rest. Shape (n,).

        Returns:
            Positions in [rad] and [m]. Shape (n, nu).
        """
        x = np.clip(times_s / self.duration_s, 0.0, 1.0)[:, None]
        return self._start + (10.0 * x**3 - 15.0 * x**4 + 6.0 * x**5) * self._way


def check_home(
    joints: Sequence[str], home: Sequence[float], lower: Sequence[float], upper: Sequence[float]
) -> None:
    """Refuse a home pose that does not fit the robot.

    Args:
        joints: Names of the joints.
        home: Position of each, in [rad] and [m].
        lower: Lowest position of each.
        upper: Highest position of each.

    Raises:
        CommandError: If a joint has no position, or one beyond its limits.
    """
    if len(home) != len(joints):
        raise CommandError(
            f"home_positions has {len(home)} numbers, expected {len(joints)}, one for each joint: "
            "set it in guard.yaml"
        )
    for joint, position, low, high in zip(joints, home, lower, upper, strict=True):
        if not low <= position <= high:
            raise CommandError(
                f"home_positions has {position:g} for {joint}, expected {low:g} to {high:g}: "
                "correct it in guard.yaml"
            )
