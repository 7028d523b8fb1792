"""Environment of a Meta-World task with a sparse reward."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import metaworld
import numpy as np

from dbp_ros.envs.env import Env, StepResult
from dbp_ros.envs.hand_frame import HAND_FRAME_NAMES, to_hand_frame
from dbp_ros.envs.metaworld_tasks import (
    ACTION_NAMES,
    EVALUATION_GOALS,
    MAX_STEPS,
    STEP_S,
    check_task,
)
from dbp_ros.types import Array, Floats

# Seeds of Meta-World's lists of fifty goals; those of training differ from the benchmarks' seeds.
EVALUATION_SEEDS = range(3)
TRAINING_SEEDS = range(1_000, 1_004)
# Time limit of training episodes; experts take about a hundred steps. Evaluation uses `MAX_STEPS`.
TRAINING_STEPS = 150


@cache
def sample_goals(name: str, seed: int) -> tuple[Any, ...]:
    """Return the fifty goals of a seed, as `MetaworldTask` samples them; takes 0.4 s."""
    return tuple(metaworld.MT1(f"{name}-v3", seed=seed).train_tasks)


def training_goals(name: str) -> tuple[Any, ...]:
    """Return the training goals: the distribution of the evaluation goals, without overlap."""
    return tuple(goal for seed in TRAINING_SEEDS for goal in sample_goals(name, seed))


def evaluation_goals(name: str, seeds: Sequence[int] = EVALUATION_SEEDS) -> tuple[Any, ...]:
    """Return the evaluation goals of `dbp bench metaworld`, seed by seed."""
    return tuple(sample_goals(name, seed)[index] for seed in seeds for index in EVALUATION_GOALS)


class MetaworldEnv(Env):
    """One task in the frame of the hand; reward one and termination at the first success."""

    state_names = HAND_FRAME_NAMES
    action_names = ACTION_NAMES
    step_s = STEP_S

    def __init__(self, name: str, evaluation: bool, goals: tuple[Any, ...] | None = None) -> None:
        """Make the environment.

        Args:
            name: One of `TASKS`.
            evaluation: Whether to use the time limit and the goals of evaluations.
            goals: Other goals; see `sample_goals`.

        Raises:
            ConfigError: If there is no such task.
        """
        check_task(name)
        if goals is None:
            goals = evaluation_goals(name) if evaluation else training_goals(name)
        self._goals = goals
        self._env = metaworld.ALL_V3_ENVIRONMENTS[f"{name}-v3"]()
        # Skip a loop over all contacts, twice a step, for a reward that is not used here.
        self._env.touching_object = _never_touching
        self._limit = MAX_STEPS if evaluation else TRAINING_STEPS
        self._steps = 0

    def reset(self, seed: int) -> Floats:
        """Start an episode with the goal of index `seed`, modulo the number of goals."""
        self._env.set_task(self._goals[seed % len(self._goals)])
        state, _ = self._env.reset()
        self._steps = 0
        return to_hand_frame(state.astype(np.float32))

    def step(self, action: Array) -> StepResult:
        """Do one control step; see `Env.step`."""
        state, _, _, _, info = self._env.step(self.clip(action))
        self._steps += 1
        success = bool(info["success"])
        truncated = self._steps >= self._limit
        return StepResult(
            to_hand_frame(state.astype(np.float32)), float(success), success, truncated, success
        )

    def clip(self, action: Array) -> Array:
        """Return the closest action in [-1, 1]; see `Env.clip`."""
        return action.clip(-1, 1)

    def close(self) -> None:
        """Close the environment."""
        self._env.close()


def _never_touching(geometry: int) -> bool:
    """Replace Meta-World's contact test, which affects neither states nor success."""
    del geometry
    return False
