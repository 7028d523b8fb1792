"""Environments of gymnasium's registry with a flat state and continuous actions."""

import gymnasium
import numpy as np

from dbp_ros.envs.env import Env, StepResult
from dbp_ros.errors import ConfigError
from dbp_ros.types import Array, Floats


class GymnasiumEnv(Env):
    """An environment of gymnasium, such as Hopper-v5, with its own reward and time limit."""

    def __init__(self, env_id: str) -> None:
        """Make the environment.

        Raises:
            ConfigError: If the id is unknown, or a space is not a flat box.
        """
        try:
            self._env = gymnasium.make(env_id)
        except gymnasium.error.Error as error:
            raise ConfigError(f"gymnasium cannot make '{env_id}': {error}") from error
        states, actions = self._env.observation_space, self._env.action_space
        for kind, space in (("observations", states), ("actions", actions)):
            if not isinstance(space, gymnasium.spaces.Box) or len(space.shape) != 1:
                raise ConfigError(
                    f"{env_id} has {kind} {space}: only flat boxes of numbers are supported"
                )
        self._low, self._high = actions.low, actions.high
        self.state_names = tuple(f"state_{index}" for index in range(states.shape[0]))
        self.action_names = tuple(f"action_{index}" for index in range(actions.shape[0]))
        self.step_s = float(getattr(self._env.unwrapped, "dt", 1.0))

    def reset(self, seed: int) -> Floats:
        """Start the episode of a seed; see `Env.reset`."""
        state, _ = self._env.reset(seed=seed)
        return np.asarray(state, np.float32)

    def step(self, action: Array) -> StepResult:
        """Do one control step; see `Env.step`."""
        clipped = np.clip(action, self._low, self._high)
        state, reward, terminated, truncated, info = self._env.step(clipped)
        return StepResult(
            np.asarray(state, np.float32),
            float(reward),
            bool(terminated),
            bool(truncated),
            bool(info.get("success", info.get("is_success", False))),
        )

    def close(self) -> None:
        """Close the environment."""
        self._env.close()
