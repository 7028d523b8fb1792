"""Length of a control step of an environment of gymnasium."""

import math
from collections.abc import Iterator
from typing import Any

from dbp_ros.errors import EnvError


def control_step(env_id: str, env: Any, step_s: float | None) -> tuple[float, str]:
    """Return the length of a control step in [s], and where it is defined.

    Args:
        env_id: Id of the environment, for messages.
        env: The environment.
        step_s: Length given by the user, which overrides that of the environment.

    Raises:
        EnvError: If the environment defines none and none is given, or it is not positive.
    """
    if step_s is not None:
        return step_s, "--step-s"
    for source, value in _defined(env):
        if not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise EnvError(
                f"{env_id}: {source} = {value!r}, expected seconds above 0: correct it, or give "
                "--step-s"
            )
        return float(value), source
    raise EnvError(
        f"{env_id} does not define the length of its control step, as attribute dt, "
        "model.opt.timestep and frame_skip, or metadata['render_fps']: give it in seconds with "
        "--step-s"
    )


def _defined(env: Any) -> Iterator[tuple[str, Any]]:
    """Yield the lengths that an environment defines, the most exact one first."""
    inner = env.unwrapped
    if getattr(inner, "dt", None) is not None:
        yield "dt", _number(inner.dt)
    timestep = getattr(getattr(getattr(inner, "model", None), "opt", None), "timestep", None)
    if timestep is not None and getattr(inner, "frame_skip", None):
        yield "model.opt.timestep * frame_skip", _number(timestep * inner.frame_skip)
    fps = (getattr(env, "metadata", None) or {}).get("render_fps")
    if fps:
        yield "1 / metadata['render_fps']", _number(1 / fps)


def _number(value: Any) -> Any:
    """Return a NumPy scalar as a number."""
    return value.item() if hasattr(value, "item") else value
