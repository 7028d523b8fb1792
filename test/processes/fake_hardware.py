"""Mock hardware of ros2_control: position interfaces that hold their last command."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

UPDATE_RATE_HZ = 500
PERIOD_S = 1 / UPDATE_RATE_HZ
# Number of periods that allows any step.
UNLIMITED = 1_000_000_000
ROUNDING = 1e-9


@dataclass(frozen=True)
class Step:
    """Largest step of a joint in one cycle, compared with the velocity limit.

    Attributes:
        joint: Name of the joint.
        time_ns: Steady time at the end of the step.
        size: Distance from the position one cycle before, in [rad] or [m].
        allowed: Velocity limit times one period and the number of commands since the last one, plus
            the tolerance in the cycle in which the joint follows again.
    """

    joint: str
    time_ns: int
    size: float
    allowed: float

    @property
    def ratio(self) -> float:
        return self.size / self.allowed


class Hardware:
    """Joints that reach their commands in the next cycle, as in GenericSystem.

    Attributes:
        positions: State interfaces in [rad] and [m]. Shape (nu,).
        commands: Command interfaces, which hold their last value. Shape (nu,).
        follows: Whether the joints move to their commands; false in a protective stop.
        hand_velocity: Velocity of joints moved by hand while not following. Shape (nu,).
    """

    def __init__(self, joints: Sequence[str], positions: np.ndarray, tolerance: np.ndarray) -> None:
        """Hold a position.

        Args:
            joints: Names of the joints.
            positions: Positions in [rad] and [m]. Shape (nu,).
            tolerance: Largest error of a command that the guard keeps while a joint does not
                follow, in [rad] and [m]. Shape (nu,).
        """
        self.joints = tuple(joints)
        self.follows = self._followed = True
        self.hand_velocity = np.zeros(len(joints))
        self._tolerance = tolerance
        self._times_ns: list[int] = []
        self._positions: list[np.ndarray] = []
        self._all_periods: list[np.ndarray] = []
        self._tolerances: list[np.ndarray] = []
        self.place(positions)

    def indices(self, joints: Iterable[str]) -> list[int]:
        """Return the indices of joints in the arrays."""
        return [self.joints.index(joint) for joint in joints]

    def place(self, positions: np.ndarray) -> None:
        """Set positions and commands while nothing runs."""
        self.positions = np.array(positions, dtype=float)
        self.commands = self.positions.copy()
        self._periods = np.full(len(self.joints), UNLIMITED)
        self._resumes = np.zeros(len(self.joints), bool)

    def write(
        self,
        indices: Sequence[int],
        values: np.ndarray,
        periods: int = 1,
        resumes: bool = False,
    ) -> None:
        """Set command interfaces.

        Args:
            indices: Indices of the joints.
            values: Commands in [rad] and [m].
            periods: Number of commands sent since the last one that was written.
            resumes: Whether it is the first command of a controller.
        """
        self.commands[indices] = values
        self._resumes[indices] |= resumes
        self._periods[indices] = np.maximum(self._periods[indices], periods)

    def cycle(self, now_ns: int) -> None:
        """Move to the commands of the previous cycle, and record the positions."""
        if self.follows:
            self.positions = self.commands.copy()
            self._resumes |= not self._followed
        else:
            self.positions = self.positions + self.hand_velocity * PERIOD_S
        self._times_ns.append(now_ns)
        self._positions.append(self.positions)
        self._all_periods.append(self._periods)
        self._tolerances.append(np.where(self._resumes, self._tolerance, 0.0))
        self._periods = np.ones(len(self.joints), dtype=int)
        self._resumes = np.zeros(len(self.joints), bool)
        self._followed = self.follows

    @property
    def cycles(self) -> int:
        """Number of recorded cycles."""
        return len(self._tolerances)

    def recorded(self, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return steady times in [ns] and positions from a cycle on. Shapes (n,), (n, nu)."""
        last = self.cycles
        return np.array(self._times_ns[first:last]), np.array(self._positions[first:last])

    def largest_step(self, velocity_limit: Sequence[float], first: int = 0) -> Step:
        """Return the step that exceeds the velocity limit the most, from a cycle on."""
        last = self.cycles
        steps = np.abs(np.diff(self._positions[first:last], axis=0))
        periods = np.array(self._all_periods[first + 1 : last])
        allowed = np.array(velocity_limit) * PERIOD_S * periods + ROUNDING
        allowed += np.array(self._tolerances[first + 1 : last])
        cycle, joint = np.unravel_index(np.argmax(steps / allowed), steps.shape)
        return Step(
            self.joints[joint],
            self._times_ns[first + 1 + cycle],
            float(steps[cycle, joint]),
            float(allowed[cycle, joint]),
        )
