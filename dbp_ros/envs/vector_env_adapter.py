"""A world as one place among gymnasium's vector environments."""

from typing import Any

import gymnasium
import numpy as np

from dbp_ros.envs.env import Env
from dbp_ros.types import Array, Floats, Image


class VectorEnvAdapter(gymnasium.Env):  # type: ignore[misc]
    """Lets episodes be begun, stepped and left waiting, each by itself.

    To gymnasium no episode ever ends, so it starts none by itself and shows no first state in
    the place of a last one: how an episode ended is in `info`. An action that is not a number
    leaves the world as it is.
    """

    def __init__(self, world: Env, number: int) -> None:
        """Take over a world; the number tells its place from others."""
        self._world, self._number = world, number
        shapes = (len(world.state_names),), (len(world.action_names),)
        self.observation_space, self.action_space = (
            gymnasium.spaces.Box(-np.inf, np.inf, shape, np.float32) for shape in shapes
        )
        self._state = np.zeros(len(world.state_names), np.float32)
        self._seed = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, dict[str, Any]]:
        """Begin the episode of a seed; without one, that of the last seed again."""
        del options
        self._seed = self._seed if seed is None else seed
        self._state = self._world.reset(self._seed)
        return self._state, {}

    def step(self, action: Array) -> tuple[Floats, float, bool, bool, dict[str, Any]]:
        """Do one control step, or none where the action is not a number. Shape (nu,)."""
        if np.isnan(action).any():
            return self._state, 0.0, False, False, {}
        moment = self._world.step(action)
        self._state = moment.state
        ends = {
            "ended_for_good": moment.terminated,
            "cut_short": moment.truncated and not moment.terminated,
            "success": moment.success,
        }
        return moment.state, moment.reward, False, False, ends

    def look(self, numbers: frozenset[int]) -> dict[str, Image]:
        """Return what each camera sees now, nothing where this place is not asked."""
        return self._world.look() if self._number in numbers else {}

    def close(self) -> None:
        """Close the world."""
        self._world.close()
