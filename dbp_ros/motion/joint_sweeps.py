"""Path that moves one joint after the other to and fro."""

import numpy as np

from dbp_ros.types import Array, Indices

# Shares of the range of a joint, and largest amplitude, in [rad] or [m].
MAX_RANGE_SHARE, MAX_AMPLITUDE = 0.1, 0.1
MIN_DURATION_S = 1.0
# Rest between two joints, in [s].
PAUSE_S = 0.3


class JointSweeps:
    """Path on which each joint in turn moves to an extreme and back, on a cosine.

    Attributes:
        amplitude: Largest displacement of each joint, with its sign. Shape (nu,).
        duration_s: Duration in [s].
        goal: Final positions, which are the first ones. Shape (nu,).
    """

    def __init__(
        self, start: Array, lower: Array, upper: Array, velocity: Array, acceleration: Array
    ) -> None:
        """Plan the path towards the middle of the range of each joint.

        Args:
            start: Present positions in [rad] and [m]. Shape (nu,).
            lower: Lower position limits. Shape (nu,).
            upper: Upper position limits. Shape (nu,).
            velocity: Velocity limits. Shape (nu,).
            acceleration: Acceleration limits. Shape (nu,).
        """
        size = np.minimum(MAX_AMPLITUDE, MAX_RANGE_SHARE * (upper - lower))
        self.amplitude = np.where(start <= (lower + upper) / 2, size, -size)
        self.goal = start
        # Peaks of a (1 - cos(2 pi t / T)) / 2: velocity pi a / T, acceleration 2 pi^2 a / T^2.
        by_speed = np.pi * size / velocity
        by_acceleration = np.pi * np.sqrt(2.0 * size / acceleration)
        self._durations_s = np.maximum(np.maximum(by_speed, by_acceleration), MIN_DURATION_S)
        ends_s = np.cumsum(self._durations_s + PAUSE_S)
        self._starts_s = ends_s - self._durations_s - PAUSE_S
        self.duration_s = float(ends_s[-1])

    def positions(self, times_s: Array) -> Array:
        """Return positions on the path.

        Args:
            times_s: Times since the start, in [s]; the path rests after its end. Shape (n,).

        Returns:
            Positions in [rad] and [m]. Shape (n, nu).
        """
        x = ((times_s[:, None] - self._starts_s) / self._durations_s).clip(0.0, 1.0)
        positions: Array = self.goal + self.amplitude * (1.0 - np.cos(2.0 * np.pi * x)) / 2.0
        return positions

    def moving_joints(self, times_s: Array) -> Indices:
        """Return the joint that moves, or moved last, at each time. Shape (n,)."""
        found: Indices = np.searchsorted(self._starts_s, times_s, side="right") - 1
        return found.clip(0)
