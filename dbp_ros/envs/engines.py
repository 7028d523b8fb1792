"""Choice of the vector environment: in this process, in processes, or on workers of Ray."""

from dbp_ros.envs.local_vector_env import LocalVectorEnv
from dbp_ros.envs.registry import EnvSpec
from dbp_ros.errors import ConfigError
from dbp_ros.extras import install_hint
from dbp_ros.types import VectorEnv

try:
    from dbp_ros.envs.ray_vector_env import RayVectorEnv
except ModuleNotFoundError as missing:
    if missing.name != "ray":
        raise
    RayVectorEnv = None  # type: ignore[assignment,misc]

ENGINES = ("local", "processes", "ray")


def open_vector_env(
    spec: EnvSpec, num_envs: int, engine: str = "local", workers: int = 1
) -> VectorEnv:
    """Return a vector environment; every engine gives the same steps.

    Args:
        spec: Specification of the environment.
        num_envs: Number of parallel episodes.
        engine: One of `ENGINES`.
        workers: Number of Ray workers.

    Raises:
        ConfigError: If the environment or the engine does not exist, or Ray is not installed.
    """
    if engine not in ENGINES:
        raise ConfigError(f"no engine '{engine}': use one of {', '.join(ENGINES)}")
    if engine != "ray":
        return LocalVectorEnv(spec, num_envs, processes=engine == "processes")
    if RayVectorEnv is None:
        raise ConfigError(f"engine ray needs ray; {install_hint('ray')}")
    return RayVectorEnv(spec, num_envs, workers)
