"""Where a gym's episodes run: here, in processes, or on other machines."""

from typing import Protocol

from dbp_ros.contract import VectorEnvironment
from dbp_ros.errors import ConfigError
from dbp_ros.extras import install_hint
from dbp_ros.sim.gyms.local import LocalGym
from dbp_ros.sim.gyms.registry import Gym

try:
    from dbp_ros.sim.gyms.remote import RayGym
except ModuleNotFoundError as missing:
    if missing.name != "ray":
        raise
    RayGym = None  # type: ignore[assignment,misc]

ENGINES = ("local", "processes", "ray")


class OpenGym(VectorEnvironment, Protocol):
    """A vector environment that holds processes or simulations until it is closed."""

    def close(self) -> None:
        """Let go of them."""


def open_gym(gym: Gym, places: int, engine: str = "local", workers: int = 1) -> OpenGym:
    """Return a gym with so many episodes side by side; every engine gives the same steps.

    Args:
        gym: Which worlds.
        places: How many episodes.
        engine: One of `ENGINES`.
        workers: How many workers of Ray.

    Raises:
        ConfigError: If there is no such gym or engine, or Ray is not installed.
    """
    if engine not in ENGINES:
        raise ConfigError(f"no engine '{engine}': use one of {', '.join(ENGINES)}")
    if engine != "ray":
        return LocalGym(gym, places, processes=engine == "processes")
    if RayGym is None:
        raise ConfigError(f"engine ray needs ray; {install_hint('ray')}")
    return RayGym(gym, places, workers)
