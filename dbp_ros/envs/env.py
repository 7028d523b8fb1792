"""One environment as reinforcement learning sees it: reset by a seed, stepped, and over."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from dbp_ros.types import Array, Floats, Image


@dataclass(frozen=True)
class StepResult:
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
class CameraView:
    """What a policy is shown of a world that has more than one policy needs.

    Attributes:
        state_names: Names of the columns of a state, of those that there are.
        cameras: Height and width of the pictures of each camera; all alike.
        step_s: Length of a control step in [s].
    """

    state_names: tuple[str, ...]
    cameras: dict[str, tuple[int, int]]
    step_s: float


@dataclass(frozen=True)
class EnvSpec:
    """What a policy must be wired to.

    Attributes:
        state_names: Names of the columns of a state.
        action_names: Names of the columns of an action.
        cameras: Names of the cameras.
        step_s: Length of a control step in [s].
    """

    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    cameras: tuple[str, ...]
    step_s: float


class Env(ABC):
    """An environment whose episodes follow from their seed and the actions alone.

    Attributes:
        state_names: Names of the columns of a state.
        action_names: Names of the columns of an action.
        cameras: Names of the cameras.
        step_s: Length of a control step in [s].
    """

    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    cameras: tuple[str, ...] = ()
    step_s: float

    @abstractmethod
    def reset(self, seed: int) -> Floats:
        """Start the episode of a seed and return its first state. Shape (ns,)."""

    @abstractmethod
    def step(self, action: Array) -> StepResult:
        """Do one control step.

        Args:
            action: What is out of the world's range is clipped. Shape (nu,).
        """

    def look(self) -> dict[str, Image]:
        """Return what each camera sees now: rgb8, shapes (height, width, 3)."""
        return {}

    def close(self) -> None:  # noqa: B027
        """Let go of what the world holds."""
