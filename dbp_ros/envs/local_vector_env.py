"""Episodes side by side on this machine, in this process or in one process each."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from dbp_ros.envs.registry import EnvId
from dbp_ros.envs.vector_env_adapter import VectorEnvAdapter
from dbp_ros.errors import CommandError
from dbp_ros.types import Floats, Image, Places, Step


def make_env(gym: EnvId, number: int) -> VectorEnvAdapter:
    """Return a place with a new world."""
    return VectorEnvAdapter(gym.make(), number)


class LocalVectorEnv:
    """A gym's worlds in gymnasium's vector environments: a `VectorEnvironment`.

    Attributes:
        places: How many episodes run side by side.
    """

    def __init__(self, gym: EnvId, places: int, processes: bool = False) -> None:
        """Make the worlds.

        Args:
            gym: Which ones.
            places: How many.
            processes: Whether each has a process of its own; same results, for many cores.

        Raises:
            ConfigError: If there is no such gym.
        """
        vector = AsyncVectorEnv if processes else SyncVectorEnv
        makers = [partial(make_env, gym, number) for number in range(places)]
        self._vector: Any = vector(makers, autoreset_mode=AutoresetMode.DISABLED)
        self.places = places

    def reset(self, places: Places, seeds: Sequence[int]) -> Floats:
        """Begin an episode at each of some places; return their first states, shape (n, ns)."""
        chosen: list[int | None] = [None] * self.places
        for place, seed in zip(places.tolist(), seeds, strict=True):
            chosen[place] = int(seed)
        mask = np.isin(np.arange(self.places), places)
        states, _ = self._vector.reset(seed=chosen, options={"reset_mask": mask})
        first: Floats = states[places]
        return first

    def step(self, places: Places, actions: Floats) -> Step:
        """Do one control step at some places, with actions of shape (n, nu).

        Raises:
            CommandError: If an action is not finite.
        """
        if not np.isfinite(actions).all():
            raise CommandError(
                f"an action at place {places[~np.isfinite(actions).all(1)][0]} is not finite: "
                "check that training converged"
            )
        everywhere = np.full(self._vector.action_space.shape, np.nan, np.float32)
        everywhere[places] = actions
        states, rewards, _, _, info = self._vector.step(everywhere)
        return Step(
            states[places],
            rewards[places],
            info["ended_for_good"][places],
            info["cut_short"][places],
            info["success"][places],
        )

    def look(self, places: Places) -> dict[str, Image]:
        """Return what each camera sees now; see `VectorEnvironment.look`."""
        seen = self._vector.call("look", frozenset(places.tolist()))
        cameras = seen[places[0]] if len(places) else ()
        return {name: np.stack([seen[place][name] for place in places]) for name in cameras}

    def close(self) -> None:
        """Let go of the worlds."""
        self._vector.close()
