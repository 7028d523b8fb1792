"""A vector environment whose unfinished episodes can be saved and replayed."""

from collections.abc import Sequence

import numpy as np

from dbp_ros.types import Floats, Image, Indices, VectorEnv, VectorStepResult


class ResumableEnv:
    """Wrapper of a `VectorEnv` that records the seeds and actions of the running episodes.

    Seed and actions determine an episode, so a checkpoint needs no state of the environment.
    """

    def __init__(self, env: VectorEnv) -> None:
        """Wrap an environment, before its first reset."""
        self._env = env
        self._seeds = [0] * env.num_envs
        self._actions: list[list[Floats]] = [[] for _ in range(env.num_envs)]

    @property
    def num_envs(self) -> int:
        """Number of parallel episodes."""
        return self._env.num_envs

    def reset(self, indices: Indices, seeds: Sequence[int]) -> Floats:
        """Begin episodes; see `VectorEnv.reset`."""
        for index, seed in zip(indices.tolist(), seeds, strict=True):
            self._seeds[index], self._actions[index] = seed, []
        return self._env.reset(indices, seeds)

    def step(self, indices: Indices, actions: Floats) -> VectorStepResult:
        """Do one control step; see `VectorEnv.step`."""
        for index, action in zip(indices.tolist(), actions, strict=True):
            self._actions[index].append(action.copy())
        return self._env.step(indices, actions)

    def render(self, indices: Indices) -> dict[str, Image]:
        """Return the current images; see `VectorEnv.render`."""
        return self._env.render(indices)

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def episodes(self) -> tuple[list[int], list[Floats]]:
        """Return the seed and the actions of each running episode, shapes (steps, nu)."""
        return list(self._seeds), [np.array(actions, np.float32) for actions in self._actions]

    def replay(self, seeds: Sequence[int], actions: Sequence[Floats]) -> None:
        """Restore the result of `episodes` by replaying the actions."""
        self.reset(np.arange(self.num_envs), seeds)
        for step in range(max(map(len, actions))):
            indices = np.flatnonzero([len(episode) > step for episode in actions])
            self.step(indices, np.stack([actions[index][step] for index in indices.tolist()]))
