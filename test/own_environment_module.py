"""A module of a user, written to a folder: environments of gymnasium with one property each."""

from pathlib import Path

MODULE = '''
import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete


class Point(gymnasium.Env):
    """A point that moves to a goal."""

    metadata = {"render_modes": [], "render_fps": 10}
    observation_space = Box(-2.0, 2.0, (4,))
    action_space = Box(-1.0, 1.0, (2,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position, self.goal = self.np_random.uniform(-1, 1, (2, 2))
        return self.observe(), {}

    def step(self, action):
        self.position = np.clip(self.position + 0.2 * action, -2, 2)
        distance = float(np.linalg.norm(self.goal - self.position))
        return self.observe(), -distance, distance < 0.1, False, {}

    def observe(self):
        return np.concatenate([self.position, self.goal]).astype(np.float32)


class Named(Point):
    state_names = ("x", "y", "goal_x", "goal_y")
    action_names = ["vx", "vy"]


class WronglyNamed(Point):
    state_names = ("x",)


class Seen(Point):
    """Position and image, in a Dict."""

    observation_space = Dict(
        agent=Dict(pos=Box(-2.0, 2.0, (2,))), top=Box(0, 255, (4, 6, 3), np.uint8)
    )

    def observe(self):
        image = np.full((4, 6, 3), 9, np.uint8)
        return {"agent": {"pos": self.position.astype(np.float32)}, "top": image}


class OnlySeen(Seen):
    observation_space = Seen.observation_space["top"]

    def observe(self):
        return super().observe()["top"]


class Choosing(Point):
    action_space = Discrete(3)


class Counting(Point):
    observation_space = Dict(room=Discrete(3))


class Timeless(Point):
    metadata = {"render_modes": []}


class Timed(Point):
    dt = 0.0996


class Substepped(Point):
    dt = 0.01


class Frozen(Point):
    dt = 0.0


class Reporting(Point):
    """Solved by its own account, never by termination."""

    def step(self, action):
        observation, reward, arrived, truncated, _ = super().step(action)
        return observation, reward, False, arrived, {"is_success": arrived}


class FailsInReset(Point):
    def reset(self, *, seed=None, options=None):
        raise KeyError("no such room")  # reset


class FailsInStep(Point):
    def step(self, action):
        raise RuntimeError("battery empty")  # step


class Diverging(Point):
    def step(self, action):
        return np.full(4, np.nan, np.float32), 0.0, False, False, {}


class Unseeded(Point):
    def reset(self, *, seed=None, options=None):
        super().reset(seed=None)
        return self.observe(), {}


class Endless(Point):
    def step(self, action):
        return self.observe(), 0.0, False, False, {}


def make_point():
    return Point()


def make_nothing():
    return 3


def expert(observation):
    return np.clip(5 * (observation[2:] - observation[:2]), -1, 1)


def strong_expert(observation):
    return 5 * (observation[2:] - observation[:2])


class Expert:
    """Counts the episodes."""

    episodes = []

    def reset(self, seed):
        self.episodes.append(seed)

    def act(self, observation):
        return expert(observation)


def confused_expert(observation):
    return observation["goal"]  # expert


def three_armed_expert(observation):
    return np.zeros(3)


gymnasium.register("OwnPoint-v0", Point, max_episode_steps=40)
'''


def line_of(comment: str) -> int:
    """Return the line of the module that ends in a comment."""
    return [line.endswith(f"# {comment}") for line in MODULE.splitlines()].index(True) + 1


def write_module(folder: Path, name: str) -> Path:
    """Write the module, and return its path."""
    path = folder / f"{name}.py"
    path.write_text(MODULE)
    return path
