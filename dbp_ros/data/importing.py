"""From the arrays of another format, by key, to an episode."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.data.episode import Episode
from dbp_ros.errors import EpisodeError
from dbp_ros.types import NS_PER_S, Floats, Image

Values = NDArray[Any]
WHITE = 255.0


@dataclass(frozen=True)
class Layout:
    """Which key of a data set is what, the same for all its episodes.

    Attributes:
        state: Keys whose columns, in this order, make the state.
        action: Key of the action.
        images: Keys of the cameras.
        points: Keys of the point clouds.
        step_s: Time between two rows, in [s].
        rewards: Key of the rewards, or empty: they are zero then.
        seconds: Key of the times of the rows in [s], or empty: rows are `step_s` apart then.
        columns: Names of a key's columns, where the data set has names.
    """

    state: tuple[str, ...]
    action: str
    images: tuple[str, ...]
    points: tuple[str, ...]
    step_s: float
    rewards: str = ""
    seconds: str = ""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def assemble(
    fetch: Callable[[str], Values], layout: Layout, task: str, succeeded: bool | None
) -> Episode:
    """Make an episode of arrays that each begin with the axis of time.

    Args:
        fetch: Returns the array of a key.
        layout: Which key is what.
        task: Name of the task.
        succeeded: Whether the task was solved. None where nobody says: a demonstration is kept
            because it was one, so it counts as solved and as ended by its operator.

    Raises:
        EpisodeError: If there are no rows, or a key has other rows than the action, a number
            that is not finite, or values of another kind; names the key.
    """
    actions = _table(layout.action, fetch(layout.action), None)
    steps = len(actions)
    if steps == 0:
        raise EpisodeError(f"{layout.action} has no rows, expected one at least: drop the episode")
    tables = {key: _table(key, fetch(key), steps) for key in layout.state}
    return Episode(
        task=task,
        seed=-1,
        mode="",
        outcome="failure" if succeeded is False else "success",
        termination_reason={True: "success", False: "failure", None: "operator"}[succeeded],
        state_names=_state_names(tables, layout.columns),
        action_names=_column_names(layout.action, actions, layout.columns),
        step_s=layout.step_s,
        states=np.concatenate([np.zeros((steps, 0), np.float32), *tables.values()], axis=1),
        actions=actions,
        rewards=_rewards(fetch, layout, steps),
        stamps_ns=_stamps_ns(fetch, layout, steps),
        images={key: _pictures(key, fetch(key), steps) for key in layout.images},
        points={key: _cloud(key, fetch(key), steps) for key in layout.points},
    )


def _table(key: str, values: Values, steps: int | None) -> Floats:
    """Return one row a step, in float32. Shape (steps, columns)."""
    _refuse_other_rows(key, values, steps)
    width = int(np.prod(values.shape[1:]))
    return _finite(key, values).reshape(len(values), width)


def _refuse_other_rows(key: str, values: Values, steps: int | None) -> None:
    if values.ndim == 0 or values.dtype.kind not in "fiub":
        raise EpisodeError(
            f"{key} has shape {values.shape} of {values.dtype}, expected rows of numbers: "
            "choose another key"
        )
    if steps is not None and len(values) != steps:
        raise EpisodeError(
            f"{key} has {len(values)} rows, expected {steps} as the action has: drop the episode"
        )


def _finite(key: str, values: Values) -> Floats:
    with np.errstate(over="ignore"):
        floats: Floats = np.asarray(values).astype(np.float32)
    if not np.isfinite(floats).all():
        row = int(np.argwhere(~np.isfinite(floats))[0][0])
        raise EpisodeError(f"{key} is not finite at step {row}: drop the episode")
    return floats


def _state_names(
    tables: Mapping[str, Floats], named: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    names = [name for key in tables for name in _column_names(key, tables[key], named)]
    if len(set(names)) < len(names):
        # Two keys that name their columns alike, as a position and a speed of one joint do.
        names = [f"{key}.{column}" for key in tables for column in range(tables[key].shape[1])]
    return tuple(names)


def _column_names(key: str, table: Floats, named: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    names = named.get(key, ())
    if len(names) == len(set(names)) == table.shape[1]:
        return names
    return tuple(f"{key}.{column}" for column in range(table.shape[1]))


def _rewards(fetch: Callable[[str], Values], layout: Layout, steps: int) -> Floats:
    if not layout.rewards:
        return np.zeros(steps, np.float32)
    table = _table(layout.rewards, fetch(layout.rewards), steps)
    if table.shape[1] != 1:
        raise EpisodeError(f"{layout.rewards} has {table.shape[1]} columns, expected 1")
    return table[:, 0]


def _stamps_ns(fetch: Callable[[str], Values], layout: Layout, steps: int) -> NDArray[np.int64]:
    if not layout.seconds:
        nominal_ns: NDArray[np.int64] = np.rint(
            np.arange(steps, dtype=np.float64) * layout.step_s * NS_PER_S
        ).astype(np.int64)
        return nominal_ns
    values = fetch(layout.seconds)
    _refuse_other_rows(layout.seconds, values, steps)
    _finite(layout.seconds, values)
    seconds = values.reshape(steps).astype(np.float64)
    stamps_ns: NDArray[np.int64] = np.rint(seconds * NS_PER_S).astype(np.int64)
    late = np.flatnonzero(np.diff(stamps_ns) <= 0)
    if len(late):
        raise EpisodeError(
            f"{layout.seconds} does not rise after step {int(late[0])}: drop the episode"
        )
    return stamps_ns


def _pictures(key: str, values: Values, steps: int) -> Image:
    """Return pixels as rgb8. Shape (steps, height, width, 3)."""
    _refuse_other_rows(key, values, steps)
    if values.dtype == np.uint8:
        return values
    lowest, highest = float(values.min()), float(values.max())
    # A number that is not finite fails the comparison too.
    if not (lowest >= 0 and highest <= WHITE) or 0 < highest <= 1:
        raise EpisodeError(
            f"{key} runs from {lowest:g} to {highest:g}, expected colours from 0 to 255: "
            "scale the pictures"
        )
    pixels: Image = np.rint(values).astype(np.uint8)
    return pixels


def _cloud(key: str, values: Values, steps: int) -> Floats:
    """Return x, y, z in [m] and colours from 0 to 1. Shape (steps, points, 3 or 6)."""
    _refuse_other_rows(key, values, steps)
    cloud = _finite(key, values)
    # Colours from 0 to 255 that never pass 1 are black, and stay so either way.
    if cloud.ndim == 3 and cloud.shape[2] == 6 and cloud[..., 3:].max(initial=0) > 1:
        cloud[..., 3:] /= WHITE
    return cloud
