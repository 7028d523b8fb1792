"""One environment as reinforcement learning sees it: reset by a seed, stepped, and over."""

from dataclasses import dataclass
from typing import Protocol

from dbp_ros.contract import Array, Floats


@dataclass(frozen=True)
class Moment:
    """What one control step led to.

    Attributes:
        state: Observed after the step, before any reset. Shape (ns,).
        reward: Of the step.
        terminated: Whether the episode is over for good: nothing is to be had after it.
        truncated: Whether only the time is up.
        success: Whether the task is solved; always False where there is nothing to solve.
    """

    state: Floats
    reward: float
    terminated: bool
    truncated: bool
    success: bool


@dataclass(frozen=True)
class Wiring:
    """What a policy must be wired to.

    Attributes:
        state_names: Names of the columns of a state.
        action_names: Names of the columns of an action.
        step_s: Length of a control step in [s].
    """

    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    step_s: float


class World(Protocol):
    """An environment whose episodes follow from their seed and the actions alone.

    Attributes:
        state_names: Names of the columns of a state.
        action_names: Names of the columns of an action.
        step_s: Length of a control step in [s].
    """

    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    step_s: float

    def reset(self, seed: int) -> Floats:
        """Start the episode of a seed and return its first state. Shape (ns,)."""

    def step(self, action: Array) -> Moment:
        """Do one control step.

        Args:
            action: What is out of the world's range is clipped. Shape (nu,).
        """

    def close(self) -> None:
        """Let go of what the world holds."""
