"""What crosses a boundary between two rooms of the house, and nothing else.

Every time is an integer of nanoseconds on one clock that the caller names; every array is
described by its shape and unit. Nothing here knows ROS, PyTorch, ONNX Runtime or MuJoCo.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Image = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

NS_PER_S = 1_000_000_000


def seconds_to_ns(seconds: float) -> int:
    """Return a duration in [s] as whole nanoseconds."""
    return round(seconds * NS_PER_S)


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one camera.

    Attributes:
        image: Pixels, rgb8. Shape (height, width, 3). May be a view of a message: do not write.
        stamp_ns: When the picture was taken.
    """

    image: Image
    stamp_ns: int


@dataclass(frozen=True, slots=True)
class Observation:
    """What the robot knew at one instant.

    Attributes:
        positions: Joint positions in [rad], grippers in [m] of opening, in the order of the
            robot's joint names. Shape (nu,).
        frames: The newest picture of each camera, by camera name.
        stamp_ns: When `positions` were measured.
    """

    positions: Array
    frames: Mapping[str, Frame]
    stamp_ns: int


@dataclass(frozen=True, slots=True)
class ActionChunk:
    """What the policy wants for the near future, as absolute joint positions.

    A policy's point `k` is due `k + 1` steps after the observation: an action is where the
    command should be one step after what it was decided from.

    Attributes:
        positions: Commanded positions in [rad], grippers in [m]. Shape (horizon, nu).
        due_ns: When each point is to be reached, rising. Shape (horizon,).
        stamp_ns: Time of the observation that the chunk was decided from.
        image_stamps_ns: When the newest picture of each camera that the policy used was taken, in
            the order of its cameras; empty where not known.
        slowdown: How much longer than real time a slow simulator takes; limits of the chunk's age
            are in its seconds.
    """

    positions: Array
    due_ns: NDArray[np.int64]
    stamp_ns: int
    image_stamps_ns: tuple[int, ...] = ()
    slowdown: float = 1.0

    @property
    def image_stamp_ns(self) -> int | None:
        """When the newest picture that the policy used was taken, where known."""
        return max(self.image_stamps_ns, default=None)


@dataclass(frozen=True)
class Step:
    """What one control step did to some episodes, in the order in which they were asked.

    Attributes:
        states: Observed after the step; of an episode that ended, its last. Shape (n, ns).
        rewards: Shape (n,).
        terminated: Whether the episode ended in a state that has no future. Shape (n,).
        truncated: Whether it was cut short by a time limit. Shape (n,).
        successes: Whether the task is solved now. Shape (n,).
    """

    states: Floats
    rewards: Array
    terminated: Flags
    truncated: Flags
    successes: Flags

    @property
    def ended(self) -> Flags:
        """Whether the episode is over. Shape (n,)."""
        return self.terminated | self.truncated


class VectorEnvironment(Protocol):
    """Episodes side by side, each at a place of its own.

    It begins no episode by itself, and steps those that it is asked to and no others: an episode
    that ended within a chunk waits for the next decision. So the state after a step is always the
    true successor, also of the last one. All that is random comes from the seed of the episode.
    """

    @property
    def places(self) -> int:
        """How many episodes run side by side."""

    def reset(self, places: Places, seeds: Sequence[int]) -> Floats:
        """Begin an episode at each of some places; return their first states.

        Args:
            places: Which, no place twice. Shape (n,).
            seeds: One for each.

        Returns:
            Raw, as the policy's normaliser takes them. Shape (n, ns).
        """

    def step(self, places: Places, actions: Floats) -> Step:
        """Do one control step.

        Args:
            places: Of the episodes that go on. Shape (n,).
            actions: Absolute, one for each; out of range they are clipped. Shape (n, nu).
        """

    def look(self, places: Places) -> dict[str, Image]:
        """Return what each camera sees now: rgb8, shapes (n, height, width, 3); often of none."""
