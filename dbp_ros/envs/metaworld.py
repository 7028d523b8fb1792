"""Meta-World's manipulation tasks: their goals, scripted experts and a batched evaluation.

Nothing is rendered, so nothing here needs a driver. One state is what the environment observes,
the goal included; one action is a step of the hand and an effort of the gripper.
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
# The four numbers of an orientation come in a different order from task to task.
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

# Goals are drawn at random, so the halves of their list have one law and share no goal.
DEMONSTRATION_GOALS = range(25)
EVALUATION_GOALS = range(25, 50)

TASKS = tuple(name.removesuffix("-v3") for name in metaworld.MT1.ENV_NAMES)
STANDARD_TASKS = (
    *("reach", "push", "pick-place", "assembly"),
    *("peg-insert-side", "hammer", "button-press", "door-open"),
)
SMOKE_TASKS = ("reach", "push", "button-press")

# The 34 tasks behind "easy (21), medium (4), hard (4), very hard (5)" in the tables of FlowPolicy
# (arXiv 2412.04987), MP1 (2507.10543) and DBP (2604.03540), as far as can be told: the 34 that
# FlowPolicy's code configures, all of which DBP's code configures too (with eight more), in the
# levels of Masked World Models (2206.14244). The counts per level come out as printed.
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

# From states of shape (n, 39) and the episodes they belong to, of shape (n,), to actions (n, 4).
Act = Callable[[Floats, NDArray[np.int64]], Floats]


@dataclass(frozen=True)
class MetaworldDemonstration:
    """One solved run of the expert; row `t` belongs to control step `t`.

    Attributes:
        states: Observed before the step, named by `STATE_NAMES`; positions in [m]. Shape
            (steps, 39).
        actions: What the expert answered, named by `ACTION_NAMES`, in [-1, 1]; 1 moves the hand
            by 1 cm. Shape (steps, 4).
    """

    states: Floats
    actions: Floats


@dataclass(frozen=True)
class MetaworldRollout:
    """How a policy's episodes ended.

    Attributes:
        successes: Which episodes were solved. Shape (goals,).
        steps: How many control steps each took. Shape (goals,).
    """

    successes: NDArray[np.bool_]
    steps: NDArray[np.int64]


class MetaworldTask:
    """One task with its fifty goals, each also a start position of the objects."""

    def __init__(self, name: str, seed: int) -> None:
        """Draw the goals; about 0.4 s.

        Args:
            name: One of `TASKS`.
            seed: Of the goals.

        Raises:
            ConfigError: If there is no such task.
        """
        if name not in TASKS:
            near = difflib.get_close_matches(name, TASKS, n=3, cutoff=0.0)
            raise ConfigError(f"Meta-World has no task '{name}': use a name like {', '.join(near)}")
        self.name = name
        self._seed = seed
        benchmark = metaworld.MT1(f"{name}-v3", seed=seed)
        self._make = benchmark.train_classes[f"{name}-v3"]
        self._goals = benchmark.train_tasks
        self._expert = ENV_POLICY_MAP[f"{name}-v3"]()
        self._environments: list[Any] = []

    def demonstrate(
        self, goal: int, noise: float = 0.0, rng: np.random.Generator | None = None
    ) -> MetaworldDemonstration | None:
        """Let the expert solve the task once, and stay for a moment after that.

        Noise is added to what is executed and not to what is recorded, so the data hold the way
        back from where a policy's own errors lead (DART, arXiv 1703.09327).

        Args:
            goal: Which of the fifty.
            noise: Standard deviation of the noise, as a share of an action's range of 1.
            rng: Source of the noise; by default one made of the task's seed and the goal.

        Returns:
            What was done, or None if the expert failed; it does at one goal in five of
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
            shaken = action + noise * rng.standard_normal(len(action))
            state, success = self._step(0, shaken.clip(-1, 1))
            if success and not solved:
                solved, end = True, min(len(actions) + END_STEPS, MAX_STEPS)
        if not solved:
            return None
        return MetaworldDemonstration(np.stack(states), np.stack(actions))

    def rollout(
        self, act: Act, goals: Sequence[int], max_steps: int = MAX_STEPS
    ) -> MetaworldRollout:
        """Let a policy try several goals at once, in lockstep.

        An episode ends at its first success, so `act` sees fewer and fewer states.

        Args:
            act: The policy, asked once a step for all episodes that go on. It is given their
                states, shape (n, 39), and which entries of `goals` they are, rising, shape (n,);
                it answers with actions of shape (n, 4), which are clipped to [-1, 1].
            goals: Which of the fifty; each is an episode with an environment of its own.
            max_steps: When an unsolved episode ends.

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
        """Return what the expert would do, in [-1, 1]; it can be rolled out as a policy.

        Args:
            states: Shape (n, 39).
            live: Ignored, the expert remembers nothing.

        Returns:
            Shape (n, 4).
        """
        del live
        with warnings.catch_warnings():
            # The experts' gains ask for more than the range, and the range clips them.
            warnings.simplefilter("ignore", UserWarning)
            actions = [self._expert.get_action(state) for state in states.astype(float)]
        return np.asarray(actions, np.float32).clip(-1, 1)

    def _start(self, slot: int, goal: int) -> Floats:
        """Set an environment, new or used, to the start of a goal and return its state."""
        if not 0 <= goal < len(self._goals):
            raise ConfigError(
                f"goal {goal} of {self.name} does not exist: use 0 to {len(self._goals) - 1}"
            )
        while len(self._environments) <= slot:
            self._environments.append(self._make())
        environment = self._environments[slot]
        environment.set_task(self._goals[goal])
        state, _ = environment.reset()
        return np.asarray(state, np.float32)

    def _step(self, slot: int, action: Floats) -> tuple[Floats, bool]:
        """Do one control step and return the next state and whether the task is solved."""
        state, _, _, _, info = self._environments[slot].step(action)
        return np.asarray(state, np.float32), bool(info["success"])

    def _checked(self, actions: Floats, count: int) -> Floats:
        """Return a policy's actions in range."""
        actions = np.asarray(actions)
        if actions.shape != (count, len(ACTION_NAMES)):
            raise CommandError(
                f"expected actions of shape {(count, len(ACTION_NAMES))} for {count} episodes of "
                f"{self.name}, got {actions.shape}: return one row a state"
            )
        if not np.isfinite(actions).all():
            raise CommandError(
                f"an action for {self.name} is not finite: check that the policy's training "
                "converged"
            )
        return actions.clip(-1, 1)
