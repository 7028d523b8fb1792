"""A task of Meta-World with nothing but success as its reward."""

import difflib
from functools import cache
from typing import Any

import metaworld
import numpy as np

from dbp_ros.envs.env import Env, StepResult
from dbp_ros.envs.hand_frame import SEEN_NAMES, seen_from_hand
from dbp_ros.envs.metaworld import ACTION_NAMES, EVALUATION_GOALS, MAX_STEPS, STEP_S, TASKS
from dbp_ros.errors import ConfigError
from dbp_ros.types import Array, Floats

# Lists of fifty goals to practise on, apart from those that the seeds of benchmarks draw.
EVALUATION_LISTS = 3
PRACTICE_LISTS = 4
FIRST_PRACTICE_LIST = 1_000
# The longest episode of practice: experts of the arm's tasks take about a hundred steps, and what
# is unsolved long after that is stuck and teaches nothing. Judged are whole episodes.
PRACTICE_STEPS = 150


@cache
def drawn_goals(name: str, seed: int) -> tuple[Any, ...]:
    """Return the fifty goals that a seed draws, as `MetaworldTask` does; about 0.4 s."""
    return tuple(metaworld.MT1(f"{name}-v3", seed=seed).train_tasks)


def practice_goals(name: str) -> tuple[Any, ...]:
    """Return the goals of training: of one law with those of evaluation, none of them."""
    seeds = range(FIRST_PRACTICE_LIST, FIRST_PRACTICE_LIST + PRACTICE_LISTS)
    return tuple(goal for seed in seeds for goal in drawn_goals(name, seed))


def evaluation_goals(name: str) -> tuple[Any, ...]:
    """Return the goals that `dbp bench metaworld` evaluates on, seed after seed."""
    return tuple(
        drawn_goals(name, seed)[index]
        for seed in range(EVALUATION_LISTS)
        for index in EVALUATION_GOALS
    )


class MetaworldEnv(Env):
    """One task, seen from the hand: a reward of one and the end at the first success."""

    state_names = SEEN_NAMES
    action_names = ACTION_NAMES
    step_s = STEP_S

    def __init__(self, name: str, evaluation: bool) -> None:
        """Make the environment.

        Args:
            name: One of `TASKS`.
            evaluation: Whether its goals are those of evaluation.

        Raises:
            ConfigError: If there is no such task.
        """
        if name not in TASKS:
            near = difflib.get_close_matches(name, TASKS, n=3, cutoff=0.0)
            raise ConfigError(f"Meta-World has no task '{name}': use a name like {', '.join(near)}")
        self._goals = evaluation_goals(name) if evaluation else practice_goals(name)
        self._environment = metaworld.ALL_V3_ENVIRONMENTS[f"{name}-v3"]()
        # It goes through all contacts, twice a step, for a reward that is not paid here.
        self._environment.touching_object = _untold
        self._limit = MAX_STEPS if evaluation else PRACTICE_STEPS
        self._steps = 0

    def reset(self, seed: int) -> Floats:
        """Start the episode of the goal whose number the seed is, modulo their count."""
        self._environment.set_task(self._goals[seed % len(self._goals)])
        state, _ = self._environment.reset()
        self._steps = 0
        return _seen(state)

    def step(self, action: Array) -> StepResult:
        """Do one control step; see `Env.step`."""
        state, _, _, _, info = self._environment.step(np.clip(action, -1, 1))
        self._steps += 1
        success = bool(info["success"])
        truncated = self._steps >= self._limit
        return StepResult(_seen(state), float(success), success, truncated, success)

    def close(self) -> None:
        """Close the environment."""
        self._environment.close()


def _untold(geometry: int) -> bool:
    """Stand in for Meta-World's test of a grasp, on which neither states nor success depend."""
    del geometry
    return False


def _seen(state: Array) -> Floats:
    """Return what the policy sees, to the bit as demonstrations are seen."""
    return seen_from_hand(state.astype(np.float32))
