"""An environment whose unfinished episodes can be saved, and brought back by living them again."""

from collections.abc import Sequence

import numpy as np

from dbp_ros.types import Floats, Image, Places, Step, VectorEnvironment


class ResumableEnv:
    """Remembers the seed and the actions of the running episodes: a `VectorEnvironment`.

    An episode follows from these alone, so they are all that a checkpoint needs; no environment
    has to know how to save itself.
    """

    def __init__(self, environment: VectorEnvironment) -> None:
        """Wrap an environment, before its first reset."""
        self._environment = environment
        self._seeds = [0] * environment.places
        self._actions: list[list[Floats]] = [[] for _ in range(environment.places)]

    @property
    def places(self) -> int:
        """How many episodes run side by side."""
        return self._environment.places

    def reset(self, places: Places, seeds: Sequence[int]) -> Floats:
        """Begin episodes; see `VectorEnvironment.reset`."""
        for place, seed in zip(places.tolist(), seeds, strict=True):
            self._seeds[place], self._actions[place] = seed, []
        return self._environment.reset(places, seeds)

    def step(self, places: Places, actions: Floats) -> Step:
        """Do one control step; see `VectorEnvironment.step`."""
        for place, action in zip(places.tolist(), actions, strict=True):
            self._actions[place].append(action.copy())
        return self._environment.step(places, actions)

    def look(self, places: Places) -> dict[str, Image]:
        """Return what the cameras see; see `VectorEnvironment.look`."""
        return self._environment.look(places)

    def episodes(self) -> tuple[list[int], list[Floats]]:
        """Return the seed of each place's episode, and its actions so far, shapes (steps, nu)."""
        return list(self._seeds), [np.array(actions, np.float32) for actions in self._actions]

    def relive(self, seeds: Sequence[int], actions: Sequence[Floats]) -> None:
        """Bring back what `episodes` returned, by doing it again."""
        self.reset(np.arange(self.places), seeds)
        for step in range(max(map(len, actions))):
            places = np.flatnonzero([len(done) > step for done in actions])
            self.step(places, np.stack([actions[place][step] for place in places.tolist()]))
