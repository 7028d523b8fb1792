"""A point that has to get round a disc: two routes, demonstrated 70 to 30, and rewards.

The point is told how fast to go and is shaken a little on its way. Demonstrations pass the disc
closely, so what imitates them with small errors often runs into it: there is much to learn.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.methods import METHODS, RUN
from dbp_ros.learning.checkpoint import Checkpoint
from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.trainer import Trainer
from dbp_ros.types import Array, Floats, Image, Places, Step

STATE_NAMES = ("x", "y")
ACTION_NAMES = ("vx", "vy")
STEP_S = 0.1
MAX_STEPS = 40

REACH, WALL = 0.1, 1.0
START, GOAL = np.array([-0.6, 0.0]), np.array([0.6, 0.0])
START_SPREAD, SHAKE = 0.1, 0.01
GOAL_RADIUS, OBSTACLE_RADIUS = 0.1, 0.3

FIRST_SHARE = 0.7
DEMONSTRATIONS = 50
ROUTE_HEIGHT, ROUTE_SPREAD, ROUTE_SPEED = 0.36, 0.05, 0.6
DEMONSTRATOR_SHAKE = 0.2

IMITATION = replace(
    RUN,
    num_steps=800,
    batch_size=64,
    horizon=4,
    latent_dct_modes=1,
    width=64,
    branch_width=64,
    depth=1,
    allow_constant_actions=True,
)


class ObstacleEnvironment:
    """Many points, each with a disc of its own; see `VectorEnvironment`.

    Rewarded are progress towards the goal, 1 at the goal and -1 at the disc; both end it.
    """

    def __init__(self, places: int) -> None:
        """Make room for episodes."""
        self.places = places
        self._at: Array = np.zeros((places, 2))
        self._shakes: Array = np.zeros((places, MAX_STEPS, 2))
        self._steps = np.zeros(places, np.int64)

    def reset(self, places: Places, seeds: Sequence[int]) -> Floats:
        """Put points at the start; see `VectorEnvironment.reset`."""
        for place, seed in zip(places, seeds, strict=True):
            chance = np.random.default_rng(seed)
            self._at[place] = START
            self._at[place, 1] += chance.uniform(-START_SPREAD, START_SPREAD)
            self._shakes[place] = SHAKE * chance.standard_normal((MAX_STEPS, 2))
        self._steps[places] = 0
        return self._at[places].astype(np.float32)

    def step(self, places: Places, actions: Floats) -> Step:
        """Move points; see `VectorEnvironment.step`."""
        before, shake = self._at[places], self._shakes[places, self._steps[places]]
        after = (before + REACH * actions.clip(-1.0, 1.0) + shake).clip(-WALL, WALL)
        self._at[places] = after
        self._steps[places] += 1
        hit = np.linalg.norm(after, axis=1) < OBSTACLE_RADIUS
        there = ~hit & (to_goal(after) < GOAL_RADIUS)
        return Step(
            states=after.astype(np.float32),
            rewards=to_goal(before) - to_goal(after) + there - hit,
            terminated=hit | there,
            truncated=~(hit | there) & (self._steps[places] >= MAX_STEPS),
            successes=there,
        )

    def look(self, places: Places) -> dict[str, Image]:
        """Return nothing, for there is no camera."""
        del places
        return {}


def open_environment(places: int, judged: bool) -> ObstacleEnvironment:
    """Return an environment; that of judging is the same, with episodes of its own."""
    del judged
    return ObstacleEnvironment(places)


def to_goal(at: Array) -> Array:
    """Return distances to the goal. Shape (..., 2) to (...)."""
    return np.asarray(np.linalg.norm(GOAL - at, axis=-1))


def demonstrations(seed: int) -> Demonstrations:
    """Return solved episodes; seven in ten go above the disc.

    The demonstrator is shaken and its answer to that is recorded, not the shaking (DART, arXiv
    1703.09327).
    """
    chance = np.random.default_rng(seed)
    states: list[Floats] = []
    actions: list[Floats] = []
    while len(states) < DEMONSTRATIONS:
        shown = _demonstrate(chance)
        if shown is not None:
            states.append(shown[0])
            actions.append(shown[1])
    lengths = np.array([len(episode) for episode in states])
    numbers, ends = np.repeat(np.arange(len(lengths)), lengths), np.cumsum(lengths)
    return Demonstrations(
        state_names=STATE_NAMES,
        action_names=ACTION_NAMES,
        step_s=STEP_S,
        states=np.concatenate(states),
        actions=np.concatenate(actions),
        images={},
        points={},
        first=(ends - lengths)[numbers],
        last=(ends - 1)[numbers],
        episode=numbers,
    )


def _demonstrate(chance: np.random.Generator) -> tuple[Floats, Floats] | None:
    """Return the states and actions of an episode, or None if it was not solved."""
    side = 1.0 if chance.random() < FIRST_SHARE else -1.0
    height = side * (ROUTE_HEIGHT + ROUTE_SPREAD * chance.standard_normal())
    world, here = ObstacleEnvironment(1), np.zeros(1, np.int64)
    at = world.reset(here, [int(chance.integers(2**32))])[0]
    begin, states, actions = at[1], [], []
    while True:
        ahead = min(at[0] + ROUTE_SPEED * REACH, GOAL[0])
        along = (ahead - START[0]) / (GOAL[0] - START[0])
        aim = np.array([ahead, begin * (1.0 - along) + height * np.sin(np.pi * along)])
        action = ((aim - at) / REACH).clip(-1.0, 1.0).astype(np.float32)
        states.append(at)
        actions.append(action)
        shaken = action + DEMONSTRATOR_SHAKE * chance.standard_normal(2, np.float32)
        step = world.step(here, shaken[None])
        at = step.states[0]
        if step.ended[0]:
            return (np.stack(states), np.stack(actions)) if step.successes[0] else None


def imitate(method: str, seed: int, updates: int = IMITATION.num_steps) -> Checkpoint:
    """Return a policy that imitates demonstrations of this seed by a method of `METHODS`."""
    config = replace(METHODS[method].config(IMITATION), seed=seed, num_steps=updates)
    trainer = Trainer(config, demonstrations(seed))
    trainer.train()
    return trainer.checkpoint()
