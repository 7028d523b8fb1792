"""Where a gym's episodes run: here, in processes, or on other machines."""

from typing import Protocol

from dbp_ros.envs.local_vector_env import LocalVectorEnv
from dbp_ros.envs.registry import EnvId
from dbp_ros.errors import ConfigError
from dbp_ros.extras import install_hint
from dbp_ros.types import VectorEnvironment

try:
    from dbp_ros.envs.ray_vector_env import RayVectorEnv
except ModuleNotFoundError as missing:
    if missing.name != "ray":
        raise
    RayVectorEnv = None  # type: ignore[assignment,misc]

ENGINES = ("local", "processes", "ray")


class OpenVectorEnv(VectorEnvironment, Protocol):
    """A vector environment that holds processes or simulations until it is closed."""

    def close(self) -> None:
        """Let go of them."""


def open_vector_env(
    gym: EnvId, places: int, engine: str = "local", workers: int = 1
) -> OpenVectorEnv:
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
        return LocalVectorEnv(gym, places, processes=engine == "processes")
    if RayVectorEnv is None:
        raise ConfigError(f"engine ray needs ray; {install_hint('ray')}")
    return RayVectorEnv(gym, places, workers)
