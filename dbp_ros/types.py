"""Data types shared between packages, independent of ROS, PyTorch, ONNX Runtime and MuJoCo.

Every time is an integer in nanoseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Image = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]

NS_PER_S = 1_000_000_000


def seconds_to_ns(seconds: float) -> int:
    """Return a duration in [s] as whole nanoseconds."""
    return round(seconds * NS_PER_S)


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of one camera.

    Attributes:
        image: Pixels, rgb8. Shape (height, width, 3). May be a view of a message: do not write.
        stamp_ns: Time of capture.
    """

    image: Image
    stamp_ns: int


@dataclass(frozen=True, slots=True)
class ActionChunk:
    """Absolute joint positions that a policy commands for the near future.

    Point `k` of a policy is due `k + 1` steps after the observation.

    Attributes:
        positions: Commanded positions in [rad], grippers in [m]. Shape (horizon, nu).
        due_ns: Time at which each point is due, increasing. Shape (horizon,).
        stamp_ns: Time of the observation.
        image_stamps_ns: Time of capture of the newest image of each camera, in the order of the
            policy's cameras; empty if unknown.
        slowdown: Wall time per simulation time; limits of the chunk's age are in simulation time.
    """

    positions: Array
    due_ns: NDArray[np.int64]
    stamp_ns: int
    image_stamps_ns: tuple[int, ...] = ()
    slowdown: float = 1.0

    @property
    def image_stamp_ns(self) -> int | None:
        """Time of capture of the newest image, None if unknown."""
        return max(self.image_stamps_ns, default=None)


@dataclass(frozen=True)
class VectorStepResult:
    """Result of one control step of some environments, in the order of the indices given.

    Attributes:
        states: Observed after the step, before any reset. Shape (n, ns).
        rewards: Shape (n,).
        terminated: Whether the episode ended in a terminal state. Shape (n,).
        truncated: Whether the time limit was reached. Shape (n,).
        successes: Whether the task is solved. Shape (n,).
        clipped: Whether the action exceeded its range; None if the environment has no range.
            Shape (n,).
    """

    states: Floats
    rewards: Array
    terminated: Flags
    truncated: Flags
    successes: Flags
    clipped: Flags | None = None

    @property
    def ended(self) -> Flags:
        """Whether the episode is over. Shape (n,)."""
        return self.terminated | self.truncated


class VectorEnv(Protocol):
    """Parallel episodes, one per environment, each reset and stepped by its index.

    There is no autoreset, and only the environments given by index are stepped. The state after a
    step is always the true next state, also at the end of an episode. All randomness comes from the
    seed of the episode.
    """

    @property
    def num_envs(self) -> int:
        """Number of parallel episodes."""

    def reset(self, indices: Indices, seeds: Sequence[int]) -> Floats:
        """Start episodes and return their first states, not normalised. Shape (n, ns).

        Args:
            indices: Environments, without duplicates. Shape (n,).
            seeds: One seed per environment.
        """

    def step(self, indices: Indices, actions: Floats) -> VectorStepResult:
        """Do one control step.

        Args:
            indices: Environments whose episode is running. Shape (n,).
            actions: Absolute actions, clipped to their range. Shape (n, nu).
        """

    def render(self, indices: Indices) -> dict[str, Image]:
        """Return the current image of each camera: rgb8, shapes (n, height, width, 3)."""

    def close(self) -> None:
        """Free processes and simulations."""
