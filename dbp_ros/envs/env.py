"""Interface of one environment: reset with a seed, step, render."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from dbp_ros.types import Array, Floats, Image


@dataclass(frozen=True)
class StepResult:
    """Result of one control step.

    Attributes:
        state: Observed after the step, before any reset. Shape (ns,).
        reward: Of the step.
        terminated: Whether the episode ended in a terminal state.
        truncated: Whether the time limit was reached.
        success: Whether the task is solved; always False in an environment without a task.
    """

    state: Floats
    reward: float
    terminated: bool
    truncated: bool
    success: bool


@dataclass(frozen=True)
class CameraView:
    """Selection of the observations of an environment that offers more than a policy uses.

    Attributes:
        state_names: Names of the selected columns of the state.
        cameras: Height and width of the images, by camera; equal for all.
        step_s: Length of a control step in [s].
    """

    state_names: tuple[str, ...]
    cameras: dict[str, tuple[int, int]]
    step_s: float


@dataclass(frozen=True)
class IOSpec:
    """Observations and actions of an environment.

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
    """Environment whose episodes are determined by their seed and the actions.

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
        """Do one control step with an action of shape (nu,), clipped to its range."""

    def render(self) -> dict[str, Image]:
        """Return the current image of each camera: rgb8, shapes (height, width, 3)."""
        return {}

    def close(self) -> None:  # noqa: B027
        """Free all resources."""
