"""Meta-World's manipulation tasks: goals, scripted experts and a batched evaluation.

Nothing is rendered. A state is the observation of the environment with the goal; an action is a
displacement of the hand and an effort of the gripper.
"""

import difflib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any

import metaworld
import numpy as np
from metaworld.policies import ENV_POLICY_MAP
from numpy.typing import NDArray

from dbp_ros.errors import CommandError, ConfigError
from dbp_ros.types import Floats

_AXES = ("x", "y", "z")
# The order of the quaternion varies from task to task.
_OBJECT = (*_AXES, "q0", "q1", "q2", "q3")
_NOW = (
    *(f"hand_{axis}" for axis in _AXES),
    "gripper",
    *(f"object_{index}_{part}" for index in (1, 2) for part in _OBJECT),
)
STATE_NAMES = (*_NOW, *(f"last_{name}" for name in _NOW), *(f"goal_{axis}" for axis in _AXES))
ACTION_NAMES = ("hand_dx", "hand_dy", "hand_dz", "grip")
# Five steps of MuJoCo of 2.5 ms, in all fifty tasks.
STEP_S = 0.0125
MAX_STEPS = 500
END_STEPS = 10

# Goals are sampled independently, so both halves of their list have the same distribution.
DEMONSTRATION_GOALS = range(25)
EVALUATION_GOALS = range(25, 50)

TASKS = tuple(name.removesuffix("-v3") for name in metaworld.MT1.ENV_NAMES)
STANDARD_TASKS = (
    *("reach", "push", "pick-place", "assembly"),
    *("peg-insert-side", "hammer", "button-press", "door-open"),
)
SMOKE_TASKS = ("reach", "push", "button-press")

# The 34 tasks behind "easy (21), medium (4), hard (4), very hard (5)" in the tables of FlowPolicy
# (arXiv 2412.04987), MP1 (2507.10543) and DBP (2604.03540), as reconstructed from their code:
# FlowPolicy configures these 34, DBP the same and eight more. The levels are those of Masked World
# Models (2206.14244), with the printed counts per level.
PAPER_LEVELS = MappingProxyType(
    {
        "easy": (
            *("button-press", "button-press-wall", "dial-turn", "door-close", "door-open"),
            *("door-unlock", "drawer-close", "faucet-close", "faucet-open", "handle-press"),
            *("handle-pull", "lever-pull", "peg-unplug-side", "plate-slide", "plate-slide-back"),
            *("plate-slide-back-side", "plate-slide-side", "reach", "reach-wall"),
            *("window-close", "window-open"),
        ),
        "medium": ("coffee-pull", "hammer", "peg-insert-side", "soccer"),
        "hard": ("assembly", "hand-insert", "pick-place", "push"),
        "very hard": ("disassemble", "pick-place-wall", "shelf-place", "stick-pull", "stick-push"),
    }
)
PAPER_TASKS = tuple(chain.from_iterable(PAPER_LEVELS.values()))

# From states of shape (n, 39) and their episodes of shape (n,) to actions of shape (n, 4).
Act = Callable[[Floats, NDArray[np.int64]], Floats]


def check_task(name: str) -> None:
    """Reject a task that does not exist.

    Raises:
        ConfigError: With the names closest to it.
    """
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, n=3, cutoff=0.0)
        raise ConfigError(f"Meta-World has no task '{name}': use a name like {', '.join(near)}")


@dataclass(frozen=True)
class MetaworldDemonstration:
    """One solved episode of the expert; row `t` belongs to control step `t`.

    Attributes:
        states: Observed before the step, named by `STATE_NAMES`; positions in [m]. Shape
            (steps, 39).
        actions: Of the expert, named by `ACTION_NAMES`, in [-1, 1]; 1 moves the hand by 1 cm.
            Shape (steps, 4).
    """

    states: Floats
    actions: Floats


@dataclass(frozen=True)
class MetaworldRollout:
    """Results of a policy's episodes.

    Attributes:
        successes: Whether each episode was solved. Shape (goals,).
        steps: Number of control steps. Shape (goals,).
    """

    successes: NDArray[np.bool_]
    steps: NDArray[np.int64]


class MetaworldTask:
    """One task with its fifty goals, each with an initial position of the objects."""

    def __init__(self, name: str, seed: int) -> None:
        """Sample the goals, which takes 0.4 s.

        Args:
            name: One of `TASKS`.
            seed: Of the goals.

        Raises:
            ConfigError: If there is no such task.
        """
        check_task(name)
        self.name = name
        self._seed = seed
        benchmark = metaworld.MT1(f"{name}-v3", seed=seed)
        self._make = benchmark.train_classes[f"{name}-v3"]
        self._goals = benchmark.train_tasks
        self._expert = ENV_POLICY_MAP[f"{name}-v3"]()
        self._envs: list[Any] = []

    def demonstrate(
        self, goal: int, noise: float = 0.0, rng: np.random.Generator | None = None
    ) -> MetaworldDemonstration | None:
        """Record one episode of the expert and `END_STEPS` steps after its success.

        Noise is added to the executed actions, not to the recorded ones, so the data contain
        recoveries from the errors of a policy (DART, arXiv 1703.09327).

        Args:
            goal: Index of the goal.
            noise: Standard deviation of the noise; actions are in [-1, 1].
            rng: Source of the noise; by default seeded with the seed of the task and the goal.

        Returns:
            The demonstration, or None if the expert failed; it does at one goal in five of
            peg-insert-side and at one in twelve of door-open.

        Raises:
            ConfigError: If there is no such goal.
        """
        state = self._start(0, goal)
        rng = rng or np.random.default_rng((self._seed, goal))
        episode = np.zeros(1, np.int64)
        states: list[Floats] = []
        actions: list[Floats] = []
        solved, end = False, MAX_STEPS
        while len(actions) < end:
            action = self.expert(state[None], episode)[0]
            states.append(state)
            actions.append(action)
            noisy = action + noise * rng.standard_normal(len(action))
            state, success = self._step(0, noisy.clip(-1, 1))
            if success and not solved:
                solved, end = True, min(len(actions) + END_STEPS, MAX_STEPS)
        if not solved:
            return None
        return MetaworldDemonstration(np.stack(states), np.stack(actions))

    def rollout(
        self, act: Act, goals: Sequence[int], max_steps: int = MAX_STEPS
    ) -> MetaworldRollout:
        """Roll a policy out at several goals in lockstep.

        An episode ends at its first success, so the batch of `act` shrinks.

        Args:
            act: The policy, called once per step with the states of the running episodes, shape
                (n, 39), and their indices in `goals`, rising, shape (n,). It returns actions of
                shape (n, 4), which are clipped to [-1, 1].
            goals: Indices of the goals, one episode for each.
            max_steps: Time limit of an episode.

        Raises:
            ConfigError: If there is no such goal, or `max_steps` is more than 500.
            CommandError: If actions have the wrong shape or are not finite.
        """
        if not 0 < max_steps <= MAX_STEPS:
            raise ConfigError(
                f"max_steps is {max_steps}: Meta-World's episodes take 1 to {MAX_STEPS}"
            )
        states = np.array([self._start(slot, goal) for slot, goal in enumerate(goals)])
        successes = np.zeros(len(goals), bool)
        steps = np.zeros(len(goals), np.int64)
        for step in range(1, max_steps + 1):
            live = np.flatnonzero(~successes)
            if not len(live):
                break
            actions = self._checked(act(states[live], live), len(live))
            for slot, action in zip(live.tolist(), actions, strict=True):
                states[slot], successes[slot] = self._step(slot, action)
            steps[live] = step
        return MetaworldRollout(successes, steps)

    def expert(self, states: Floats, live: NDArray[np.int64]) -> Floats:
        """Return the actions of the expert in [-1, 1]; a policy for `rollout`.

        Args:
            states: Shape (n, 39).
            live: Ignored: the expert is stateless.

        Returns:
            Shape (n, 4).
        """
        del live
        with warnings.catch_warnings():
            # The experts exceed the range of the actions by design.
            warnings.simplefilter("ignore", UserWarning)
            actions = [self._expert.get_action(state) for state in states.astype(float)]
        return np.asarray(actions, np.float32).clip(-1, 1)

    def _start(self, slot: int, goal: int) -> Floats:
        """Reset the environment of a slot to a goal and return its state."""
        if not 0 <= goal < len(self._goals):
            raise ConfigError(
                f"goal {goal} of {self.name} does not exist: use 0 to {len(self._goals) - 1}"
            )
        while len(self._envs) <= slot:
            self._envs.append(self._make())
        env = self._envs[slot]
        env.set_task(self._goals[goal])
        state, _ = env.reset()
        return np.asarray(state, np.float32)

    def _step(self, slot: int, action: Floats) -> tuple[Floats, bool]:
        """Do one control step and return the next state and whether the task is solved."""
        state, _, _, _, info = self._envs[slot].step(action)
        return np.asarray(state, np.float32), bool(info["success"])

    def _checked(self, actions: Floats, count: int) -> Floats:
        """Return the actions of a policy, clipped to their range."""
        actions = np.asarray(actions)
        if actions.shape != (count, len(ACTION_NAMES)):
            raise CommandError(
                f"expected actions of shape {(count, len(ACTION_NAMES))} for {count} episodes of "
                f"{self.name}, got {actions.shape}: return one row per state"
            )
        if not np.isfinite(actions).all():
            raise CommandError(
                f"an action for {self.name} is not finite: check that the policy's training "
                "converged"
            )
        return actions.clip(-1, 1)
