"""An environment whose unfinished episodes can be saved, and brought back by living them again."""

from collections.abc import Sequence

import numpy as np

from dbp_ros.types import Floats, Image, Indices, VectorEnv, VectorStepResult


class ResumableEnv:
    """Remembers the seed and the actions of the running episodes: a `VectorEnv`.

    An episode follows from these alone, so they are all that a checkpoint needs; no environment
    has to know how to save itself.
    """

    def __init__(self, environment: VectorEnv) -> None:
        """Wrap an environment, before its first reset."""
        self._environment = environment
        self._seeds = [0] * environment.num_envs
        self._actions: list[list[Floats]] = [[] for _ in range(environment.num_envs)]

    @property
    def num_envs(self) -> int:
        """Number of parallel episodes."""
        return self._environment.num_envs

    def reset(self, indices: Indices, seeds: Sequence[int]) -> Floats:
        """Begin episodes; see `VectorEnv.reset`."""
        for index, seed in zip(indices.tolist(), seeds, strict=True):
            self._seeds[index], self._actions[index] = seed, []
        return self._environment.reset(indices, seeds)

    def step(self, indices: Indices, actions: Floats) -> VectorStepResult:
        """Do one control step; see `VectorEnv.step`."""
        for index, action in zip(indices.tolist(), actions, strict=True):
            self._actions[index].append(action.copy())
        return self._environment.step(indices, actions)

    def render(self, indices: Indices) -> dict[str, Image]:
        """Return the current images; see `VectorEnv.render`."""
        return self._environment.render(indices)

    def close(self) -> None:
        """Close the environment."""
        self._environment.close()

    def episodes(self) -> tuple[list[int], list[Floats]]:
        """Return the seed of each episode, and its actions so far, shapes (steps, nu)."""
        return list(self._seeds), [np.array(actions, np.float32) for actions in self._actions]

    def relive(self, seeds: Sequence[int], actions: Sequence[Floats]) -> None:
        """Bring back what `episodes` returned, by doing it again."""
        self.reset(np.arange(self.num_envs), seeds)
        for step in range(max(map(len, actions))):
            indices = np.flatnonzero([len(done) > step for done in actions])
            self.step(indices, np.stack([actions[index][step] for index in indices.tolist()]))
