"""Names of the columns of an environment, and their match with those of a policy."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dbp_ros.envs.env import CameraView, IOSpec
from dbp_ros.envs.user_code import user_code
from dbp_ros.errors import EnvError


def offered_names(env_id: str, env: Any, attribute: str, default: Sequence[str]) -> tuple[str, ...]:
    """Return the names in an attribute of an environment, or else the default ones.

    Args:
        env_id: Id of the environment, for messages.
        env: An environment of gymnasium.
        attribute: `state_names` or `action_names`.
        default: One name for each column.

    Raises:
        EnvError: If it is not a list of as many different names.
    """
    with user_code(f"{env_id}: {attribute}"):
        offered = env.get_wrapper_attr(attribute) if env.has_wrapper_attr(attribute) else None
    if offered is None:
        return tuple(default)
    names = tuple(offered) if isinstance(offered, (list, tuple)) else ()
    if len(names) != len(default) or not all(isinstance(name, str) and name for name in names):
        raise EnvError(
            f"{env_id}: {attribute} = {offered!r:.200}, expected a list of {len(default)} names, "
            f"one for each of {', '.join(default)}"
        )
    return names


def rename(env_id: str, spec: IOSpec, names: Mapping[str, str]) -> IOSpec:
    """Return the observations and actions of an environment under other names.

    Args:
        env_id: Id of the environment, for messages.
        spec: Own names.
        names: New names by own names.

    Raises:
        EnvError: If an own name does not exist, or a new name stands for two columns.
    """
    own = (*spec.state_names, *spec.action_names, *spec.cameras)
    if unknown := [name for name in names if name not in own]:
        raise EnvError(f"--columns: {env_id} has no {', '.join(unknown)}: it has {', '.join(own)}")
    groups = [
        tuple(names.get(name, name) for name in group)
        for group in (spec.state_names, spec.action_names, spec.cameras)
    ]
    for group in groups:
        if twice := sorted({name for name in group if group.count(name) > 1}):
            raise EnvError(
                f"{env_id} has two columns with the name {', '.join(twice)} among "
                f"{', '.join(group)}: rename one with --columns"
            )
    return IOSpec(groups[0], groups[1], groups[2], spec.step_s)


def require_view(env_id: str, spec: IOSpec, view: CameraView, exact: bool = True) -> None:
    """Check that an environment has the observations, actions and step that a policy needs.

    Args:
        env_id: Id of the environment, for messages.
        spec: What the environment has.
        view: What the policy needs.
        exact: Whether the environment may have no other states. Columns without names of their own
            cannot be selected by name.

    Raises:
        EnvError: With both values.
    """
    if missing := [name for name in view.cameras if name not in spec.cameras]:
        raise EnvError(
            f"the policy uses the cameras {', '.join(missing)}, but {env_id} has "
            f"{', '.join(spec.cameras) or 'states only'}: train a policy without them, or rename "
            "a camera with --columns"
        )
    _require_names(env_id, "states", view.state_names, spec.state_names, exact)
    if view.action_names:
        _require_names(env_id, "actions", view.action_names, spec.action_names, True)
    if not math.isclose(view.step_s, spec.step_s, rel_tol=1e-3):
        raise EnvError(
            f"the policy was trained on steps of {view.step_s:.4f} s, {env_id} has "
            f"{spec.step_s:.4f} s: expected the same, or in an environment of gymnasium a multiple"
        )


def _require_names(
    env_id: str, what: str, required: Sequence[str], available: Sequence[str], exact: bool
) -> None:
    lists = (
        f"the policy has {len(required)} {what}, {', '.join(required) or 'none'}; {env_id} has "
        f"{len(available)}, {', '.join(available) or 'none'}"
    )
    if len(required) > len(available) or (exact and len(required) != len(available)):
        raise EnvError(f"{lists}: train a policy on data of this environment")
    if missing := [name for name in required if name not in available]:
        raise EnvError(
            f"{lists}: name the environment's columns for {', '.join(missing)} with --columns "
            "ENVIRONMENT=DATA"
        )
