"""Length of a control step of an environment of gymnasium."""

import math
from collections.abc import Iterator
from typing import Any

from dbp_ros.errors import EnvError

# Largest relative difference between two lengths of the same step: frame rates are rounded.
STEP_TOLERANCE = 0.01


def control_step(env_id: str, env: Any, step_s: float | None) -> tuple[float, str]:
    """Return the length of a control step in [s], and where it is defined.

    Args:
        env_id: Id of the environment, for messages.
        env: The environment.
        step_s: Length given by the user, which overrides that of the environment.

    Raises:
        EnvError: If the environment defines none and none is given, one is not positive, or two
            differ.
    """
    if step_s is not None:
        return step_s, "--step-s"
    defined = dict(_defined(env))
    for source, value in defined.items():
        if not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise EnvError(
                f"{env_id}: {source} = {value!r}, expected seconds above 0: correct it, or give "
                "--step-s"
            )
    if not defined:
        raise EnvError(
            f"{env_id} does not define the length of its control step, as attribute dt, "
            "model.opt.timestep and frame_skip, or metadata['render_fps']: give it in seconds with "
            "--step-s"
        )
    if max(defined.values()) > (1 + STEP_TOLERANCE) * min(defined.values()):
        lengths = ", ".join(f"{source} = {value:.4g} s" for source, value in defined.items())
        raise EnvError(
            f"{env_id} defines different lengths of its control step, {lengths}, expected equal "
            "ones: one may be the time step of the physics or of a video, so give the time between "
            "two actions in seconds with --step-s"
        )
    source, value = next(iter(defined.items()))
    return float(value), source


def _defined(env: Any) -> Iterator[tuple[str, Any]]:
    """Yield the lengths that an environment defines, the most exact one first."""
    inner = env.unwrapped
    if getattr(inner, "dt", None) is not None:
        yield "dt", _number(inner.dt)
    timestep = getattr(getattr(getattr(inner, "model", None), "opt", None), "timestep", None)
    if timestep is not None and getattr(inner, "frame_skip", None):
        yield "model.opt.timestep * frame_skip", _number(timestep * inner.frame_skip)
    fps = _number((getattr(env, "metadata", None) or {}).get("render_fps"))
    if fps:
        yield "1 / metadata['render_fps']", 1 / fps if isinstance(fps, (int, float)) else fps


def _number(value: Any) -> Any:
    """Return a NumPy scalar as a number."""
    return value.item() if hasattr(value, "item") else value
