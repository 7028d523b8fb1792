"""Adapter of an `Env` to gymnasium's vector environments."""

from typing import Any

import gymnasium
import numpy as np

from dbp_ros.envs.env import Env
from dbp_ros.types import Array, Floats, Image


class VectorEnvAdapter(gymnasium.Env):  # type: ignore[misc]
    """One sub-environment of a gymnasium vector environment, stepped independently of the others.

    It never reports an end to gymnasium, which would refuse to step the other sub-environments
    without a reset; `terminated` and `truncated` are in `info`. A NaN action does not step the
    environment.
    """

    def __init__(self, env: Env, index: int) -> None:
        """Wrap an environment with its index in the vector environment."""
        self._env, self._index = env, index
        shapes = (len(env.state_names),), (len(env.action_names),)
        self.observation_space, self.action_space = (
            gymnasium.spaces.Box(-np.inf, np.inf, shape, np.float32) for shape in shapes
        )
        self._state = np.zeros(len(env.state_names), np.float32)
        self._seed = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, dict[str, Any]]:
        """Start the episode of a seed, by default the last seed."""
        del options
        self._seed = self._seed if seed is None else seed
        self._state = self._env.reset(self._seed)
        return self._state, {}

    def step(self, action: Array) -> tuple[Floats, float, bool, bool, dict[str, Any]]:
        """Do one control step, or none for a NaN action. Shape (nu,)."""
        if np.isnan(action).any():
            return self._state, 0.0, False, False, {}
        clipped = self._env.excess(action) > 0
        result = self._env.step(action)
        self._state = result.state
        info = {
            "terminated": result.terminated,
            "truncated": result.truncated and not result.terminated,
            "success": result.success,
            "clipped": clipped,
        }
        return result.state, result.reward, False, False, info

    def render_if(self, indices: frozenset[int]) -> dict[str, Image]:
        """Return the current image of each camera, none if this index is not among `indices`."""
        return self._env.render() if self._index in indices else {}

    def close(self) -> None:
        """Close the environment."""
        self._env.close()
