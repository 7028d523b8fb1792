"""What an environment is to online learning: episodes side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dbp_ros.contract import Array, Floats

Flags = NDArray[np.bool_]
Places = NDArray[np.int64]


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
