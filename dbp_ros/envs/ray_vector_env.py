"""Episodes side by side on several machines, or on the cores of one: workers of Ray."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import ray

from dbp_ros.envs.local_vector_env import LocalVectorEnv
from dbp_ros.envs.registry import EnvId
from dbp_ros.types import Floats, Image, Places, Step


class RayVectorEnv:
    """A gym whose places are shared out among workers: a `VectorEnvironment`.

    An episode knows nothing of where it runs, so any number of workers gives the same steps as
    one process does. With `RAY_ADDRESS` set the workers are those of that cluster, whose machines
    have this package; else they are processes of this machine.
    """

    def __init__(self, gym: EnvId, places: int, workers: int) -> None:
        """Start the workers; seconds.

        Args:
            gym: Which worlds.
            places: How many episodes run side by side, in all.
            workers: How many workers; no more than places.
        """
        self._owner = not ray.is_initialized()
        if self._owner:
            here = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers}
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="error", **here)
        shares = np.array_split(np.arange(places), min(workers, places))
        worker = ray.remote(num_cpus=1)(LocalVectorEnv)
        self._workers = [worker.remote(gym, len(share)) for share in shares]
        self._ends = np.cumsum([len(share) for share in shares])
        self.places = places

    def reset(self, places: Places, seeds: Sequence[int]) -> Floats:
        """Begin episodes; see `VectorEnvironment.reset`."""
        given = np.asarray(seeds, np.int64)
        parts = self._ask("reset", places, given)
        first: Floats = np.concatenate(parts)[self._back(places)]
        return first

    def step(self, places: Places, actions: Floats) -> Step:
        """Do one control step; see `VectorEnvironment.step`."""
        parts, back = self._ask("step", places, actions), self._back(places)
        return Step(
            np.concatenate([part.states for part in parts])[back],
            np.concatenate([part.rewards for part in parts])[back],
            np.concatenate([part.terminated for part in parts])[back],
            np.concatenate([part.truncated for part in parts])[back],
            np.concatenate([part.successes for part in parts])[back],
        )

    def look(self, places: Places) -> dict[str, Image]:
        """Return what each camera sees now; see `VectorEnvironment.look`."""
        parts, back = self._ask("look", places), self._back(places)
        return {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}

    def close(self) -> None:
        """Stop the workers."""
        for worker in self._workers:
            ray.kill(worker)
        if self._owner:
            ray.shutdown()

    def _ask(self, verb: str, places: Places, *given: Any) -> list[Any]:
        """Ask each worker for its share, all at once; return what those with a share say."""
        owners = np.searchsorted(self._ends, places, side="right")
        starts = np.concatenate([[0], self._ends])
        asked = [
            getattr(self._workers[owner], verb).remote(
                places[owners == owner] - starts[owner],
                *(part[owners == owner] for part in given),
            )
            for owner in np.unique(owners)
        ]
        answers: list[Any] = ray.get(asked)
        return answers

    def _back(self, places: Places) -> Places:
        """Return where each place's answer is among those of the workers, put end to end."""
        owners = np.searchsorted(self._ends, places, side="right")
        return np.argsort(np.argsort(owners, kind="stable"), kind="stable")
