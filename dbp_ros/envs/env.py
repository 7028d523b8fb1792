"""Interface of one environment: reset with a seed, step, render."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from dbp_ros.types import Array, Floats, Image

# Rounding of float32 is no excess of an action over its range.
ROUNDING = 1e-6


@dataclass(frozen=True)
class StepResult:
    """Result of one control step.

    Attributes:
        state: Observed after the step, before any reset. Shape (ns,).
        reward: Of the step.
        terminated: Whether the episode ended in a terminal state.
        truncated: Whether the time limit was reached.
        success: Whether the task is solved.
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
        action_names: Names of the columns of an action; empty for those of the environment.
    """

    state_names: tuple[str, ...]
    cameras: dict[str, tuple[int, int]]
    step_s: float
    action_names: tuple[str, ...] = ()


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
        step_source: Where the length of its own step is defined, for reports.
        repeats: Own steps in one control step, each with the same action.
        success_source: What marked the newest step as solved or not, for reports.
    """

    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    cameras: tuple[str, ...] = ()
    step_s: float
    step_source: str = "the environment"
    repeats: int = 1
    success_source: str = "the environment"

    @abstractmethod
    def reset(self, seed: int) -> Floats:
        """Start the episode of a seed and return its first state. Shape (ns,)."""

    @abstractmethod
    def step(self, action: Array) -> StepResult:
        """Do one control step with an action of shape (nu,), clipped to its range."""

    def clip(self, action: Array) -> Array:
        """Return the closest action within the range of the environment. Shape (nu,)."""
        return action

    def excess(self, action: Array) -> float:
        """Return the largest distance by which an action exceeds its range."""
        largest = float(np.abs(action - self.clip(action)).max(initial=0.0))
        return largest if largest > ROUNDING else 0.0

    def render(self) -> dict[str, Image]:
        """Return the current image of each camera: rgb8, shapes (height, width, 3)."""
        return {}

    @property
    def raw_observation(self) -> Any:
        """Newest observation as the environment's own code returned it; None without one."""
        return None

    def close(self) -> None:  # noqa: B027
        """Free all resources."""
