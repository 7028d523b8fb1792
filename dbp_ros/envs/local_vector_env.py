"""Vector environment on this machine, in this process or with one process per environment."""

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from dbp_ros.envs.registry import EnvSpec
from dbp_ros.envs.vector_env_adapter import VectorEnvAdapter
from dbp_ros.errors import CommandError
from dbp_ros.types import Floats, Image, Indices, VectorStepResult

PROCESS_ERROR = r".*ERROR: (Received the|Traceback|Raising the)"


def make_env(spec: EnvSpec, index: int) -> VectorEnvAdapter:
    """Return a new environment for one index of a gymnasium vector environment."""
    return VectorEnvAdapter(spec.make(), index)


class LocalVectorEnv:
    """A `VectorEnv` on top of gymnasium's vector environments.

    Attributes:
        num_envs: Number of parallel episodes.
    """

    def __init__(self, spec: EnvSpec, num_envs: int, processes: bool = False) -> None:
        """Make the environments.

        Args:
            spec: Specification of the environment.
            num_envs: Number of environments.
            processes: Whether to run each in its own process; same results, for many cores.

        Raises:
            ConfigError: If the environment does not exist.
        """
        # gymnasium warns with the traceback of a process before it raises the same exception.
        warnings.filterwarnings("ignore", PROCESS_ERROR, UserWarning)
        vector = AsyncVectorEnv if processes else SyncVectorEnv
        makers = [partial(make_env, spec, index) for index in range(num_envs)]
        self._vector: Any = vector(makers, autoreset_mode=AutoresetMode.DISABLED)
        self.num_envs = num_envs
        self._has_started = False

    def reset(self, indices: Indices, seeds: Sequence[int]) -> Floats:
        """Start episodes; see `VectorEnv.reset`."""
        all_seeds: list[int | None] = [None] * self.num_envs
        for index, seed in zip(indices.tolist(), seeds, strict=True):
            all_seeds[index] = int(seed)
        mask = np.isin(np.arange(self.num_envs), indices)
        # At first all of them: gymnasium stacks the states of all environments.
        options = {"reset_mask": mask} if self._has_started else None
        states, _ = self._vector.reset(seed=all_seeds, options=options)
        self._has_started = True
        first: Floats = states[indices]
        return first

    def step(self, indices: Indices, actions: Floats) -> VectorStepResult:
        """Do one control step; see `VectorEnv.step`.

        Raises:
            CommandError: If an action is not finite.
        """
        if not np.isfinite(actions).all():
            index = indices[~np.isfinite(actions).all(1)][0]
            raise CommandError(
                f"the action of environment {index} is not finite: check that training converged"
            )
        all_actions = np.full(self._vector.action_space.shape, np.nan, np.float32)
        all_actions[indices] = actions
        states, rewards, _, _, info = self._vector.step(all_actions)
        return VectorStepResult(
            states[indices],
            rewards[indices],
            info["terminated"][indices],
            info["truncated"][indices],
            info["success"][indices],
            info["clipped"][indices],
        )

    def render(self, indices: Indices) -> dict[str, Image]:
        """Return the current images; see `VectorEnv.render`."""
        images = self._vector.call("render_if", frozenset(indices.tolist()))
        cameras = images[indices[0]] if len(indices) else ()
        return {name: np.stack([images[index][name] for index in indices]) for name in cameras}

    def close(self) -> None:
        """Free all resources."""
        self._vector.close()
