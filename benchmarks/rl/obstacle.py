"""Toy task: a point mass that avoids a disc, with two routes demonstrated 70 to 30.

The action is the velocity; noise perturbs the position. Demonstrations pass close to the disc, so a
policy with small imitation errors often collides and can improve by reinforcement.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.methods import BASE_CONFIG, METHODS
from dbp_ros.learning.checkpoint import Checkpoint
from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.trainer import Trainer
from dbp_ros.types import Array, Floats, Image, Indices, VectorStepResult

STATE_NAMES = ("x", "y")
ACTION_NAMES = ("vx", "vy")
STEP_S = 0.1
MAX_STEPS = 40

STEP_LENGTH, WALL = 0.1, 1.0
START, GOAL = np.array([-0.6, 0.0]), np.array([0.6, 0.0])
START_SPREAD, NOISE = 0.1, 0.01
GOAL_RADIUS, OBSTACLE_RADIUS = 0.1, 0.3

FIRST_SHARE = 0.7
DEMONSTRATIONS = 50
ROUTE_HEIGHT, ROUTE_SPREAD, ROUTE_SPEED = 0.36, 0.05, 0.6
DEMONSTRATOR_NOISE = 0.2

IMITATION = replace(
    BASE_CONFIG,
    num_steps=800,
    batch_size=64,
    horizon=4,
    latent_dct_modes=1,
    width=64,
    branch_width=64,
    depth=1,
    allow_constant_actions=True,
)


class ObstacleEnv:
    """Points in a plane with a disc, one for each episode; a `VectorEnv`.

    The reward is the progress towards the goal, plus 1 at the goal and minus 1 at the disc; both
    are terminal.
    """

    def __init__(self, num_envs: int) -> None:
        """Allocate the episodes."""
        self.num_envs = num_envs
        self._positions: Array = np.zeros((num_envs, 2))
        self._noises: Array = np.zeros((num_envs, MAX_STEPS, 2))
        self._steps = np.zeros(num_envs, np.int64)

    def reset(self, indices: Indices, seeds: Sequence[int]) -> Floats:
        """Put points at the start; see `VectorEnv.reset`."""
        for index, seed in zip(indices, seeds, strict=True):
            rng = np.random.default_rng(seed)
            self._positions[index] = START
            self._positions[index, 1] += rng.uniform(-START_SPREAD, START_SPREAD)
            self._noises[index] = NOISE * rng.standard_normal((MAX_STEPS, 2))
        self._steps[indices] = 0
        return self._positions[indices].astype(np.float32)

    def step(self, indices: Indices, actions: Floats) -> VectorStepResult:
        """Move points; see `VectorEnv.step`."""
        before, noise = self._positions[indices], self._noises[indices, self._steps[indices]]
        after = (before + STEP_LENGTH * actions.clip(-1.0, 1.0) + noise).clip(-WALL, WALL)
        self._positions[indices] = after
        self._steps[indices] += 1
        hit = np.linalg.norm(after, axis=1) < OBSTACLE_RADIUS
        at_goal = ~hit & (goal_distance(after) < GOAL_RADIUS)
        return VectorStepResult(
            states=after.astype(np.float32),
            rewards=goal_distance(before) - goal_distance(after) + at_goal - hit,
            terminated=hit | at_goal,
            truncated=~(hit | at_goal) & (self._steps[indices] >= MAX_STEPS),
            successes=at_goal,
        )

    def render(self, indices: Indices) -> dict[str, Image]:
        """Return no images: there is no camera."""
        del indices
        return {}

    def close(self) -> None:
        """Do nothing."""


def open_obstacle(num_envs: int, evaluation: bool) -> ObstacleEnv:
    """Return an environment, the same for training and evaluation."""
    del evaluation
    return ObstacleEnv(num_envs)


def goal_distance(position: Array) -> Array:
    """Return distances to the goal. Shape (..., 2) to (...)."""
    return np.asarray(np.linalg.norm(GOAL - position, axis=-1))


def demonstrations(seed: int) -> Demonstrations:
    """Return successful episodes; 70 % pass above the disc.

    Noise is added to the executed actions, not to the recorded ones (DART, arXiv 1703.09327).
    """
    rng = np.random.default_rng(seed)
    states: list[Floats] = []
    actions: list[Floats] = []
    while len(states) < DEMONSTRATIONS:
        episode_data = _demonstrate(rng)
        if episode_data is not None:
            states.append(episode_data[0])
            actions.append(episode_data[1])
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
        by_policy=np.zeros(len(numbers), bool),
    )


def _demonstrate(rng: np.random.Generator) -> tuple[Floats, Floats] | None:
    """Return states and actions of an episode, None if it failed."""
    sign = 1.0 if rng.random() < FIRST_SHARE else -1.0
    height = sign * (ROUTE_HEIGHT + ROUTE_SPREAD * rng.standard_normal())
    env, index = ObstacleEnv(1), np.zeros(1, np.int64)
    position = env.reset(index, [int(rng.integers(2**32))])[0]
    start_y, states, actions = position[1], [], []
    while True:
        ahead = min(position[0] + ROUTE_SPEED * STEP_LENGTH, GOAL[0])
        along = (ahead - START[0]) / (GOAL[0] - START[0])
        target = np.array([ahead, start_y * (1.0 - along) + height * np.sin(np.pi * along)])
        action = ((target - position) / STEP_LENGTH).clip(-1.0, 1.0).astype(np.float32)
        states.append(position)
        actions.append(action)
        noisy = action + DEMONSTRATOR_NOISE * rng.standard_normal(2, np.float32)
        step = env.step(index, noisy[None])
        position = step.states[0]
        if step.ended[0]:
            return (np.stack(states), np.stack(actions)) if step.successes[0] else None


def imitate(method: str, seed: int, updates: int = IMITATION.num_steps) -> Checkpoint:
    """Return a policy trained on demonstrations by a method of `METHODS`."""
    config = replace(METHODS[method].config(IMITATION), seed=seed, num_steps=updates)
    trainer = Trainer(config, demonstrations(seed))
    trainer.train()
    return trainer.checkpoint()
