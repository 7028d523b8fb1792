"""Construction of an environment from an id of gymnasium, or from a module of the user."""

import re
from types import ModuleType
from typing import Any

import gymnasium
from gymnasium.wrappers import PassiveEnvChecker, TimeLimit

from dbp_ros.envs.user_code import import_user_module, public_names, user_code
from dbp_ros.errors import EnvError


def make_env(env_id: str, max_episode_steps: int | None = None) -> Any:
    """Make an environment.

    Args:
        env_id: Id of gymnasium, or `MODULE:NAME`: the module is imported, and the name is an id
            that it registers, or else a class or function of it that returns an environment.
        max_episode_steps: Time limit; None for that of the registration.

    Raises:
        EnvError: If the module or the name does not exist, or the code of the user raises.
    """
    module_name, colon, name = env_id.rpartition(":")
    if not colon:
        return _registered(env_id, env_id, max_episode_steps)
    module = import_user_module(module_name, f"--env {env_id}")
    if name in gymnasium.registry:
        return _registered(env_id, name, max_episode_steps)
    maker = getattr(module, name, None)
    if not callable(maker):
        raise EnvError(
            f"--env {env_id}: {module.__file__} registers no id '{name}' and has no class or "
            f"function of that name: it registers {', '.join(_ids_of(module)) or 'none'} and "
            f"defines {', '.join(public_names(module)) or 'nothing'}"
        )
    with user_code(f"{env_id} without arguments"):
        env = maker()
    if not isinstance(env, gymnasium.Env):
        raise EnvError(
            f"--env {env_id} is of type {type(env).__name__}, expected a gymnasium.Env: make it a "
            "subclass of gymnasium.Env"
        )
    if env.spec is None:
        # Of an id, `gymnasium.make` checks the results of the first calls.
        env = PassiveEnvChecker(env)
    return env if max_episode_steps is None else TimeLimit(env, max_episode_steps)


def _registered(env_id: str, name: str, max_episode_steps: int | None) -> Any:
    """Make the environment of an id of gymnasium's registry."""
    with user_code(f"{env_id}: gymnasium.make"):
        try:
            return gymnasium.make(name, max_episode_steps=max_episode_steps)
        except gymnasium.error.Error as error:
            reason = " ".join(str(error).split())
            raise EnvError(
                f"gymnasium cannot make '{env_id}': {reason}; an id of your own needs its module, "
                "as in --env MODULE:ID"
            ) from error


def _ids_of(module: ModuleType) -> list[str]:
    """Return the ids that a module registers for classes or functions of its own package."""
    package = module.__name__.partition(".")[0]
    owners = {
        env_id: str(getattr(spec.entry_point, "__module__", spec.entry_point))
        for env_id, spec in gymnasium.registry.items()
    }
    return sorted(i for i, owner in owners.items() if re.split("[.:]", owner)[0] == package)
