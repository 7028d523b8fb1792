"""Conversion of the arrays of a foreign format to an episode."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import RowShape
from dbp_ros.data.image_rows import WHITE, rgb8
from dbp_ros.data.selection import JOIN
from dbp_ros.errors import EpisodeError
from dbp_ros.types import NS_PER_S, Flags, Floats, Image

Values = NDArray[Any]
# Kinds of NumPy types that are read: floats, integers and booleans.
NUMBERS = "fiub"


@dataclass(frozen=True)
class Layout:
    """Role of each key of a data set, equal for all its episodes.

    Attributes:
        state: Keys whose columns, in this order, make the state.
        action: Key of the action; several keys are joined by `+`.
        images: Keys of the cameras.
        points: Keys of the point clouds.
        step_s: Time between two rows, in [s].
        rewards: Key of the rewards; empty for zeros.
        seconds: Key of the timestamps in [s]; empty for multiples of `step_s`.
        stamps_ns: Key of measured timestamps in [ns], which replace `seconds`; empty for none.
        interventions: Key of the flags of interventions; empty for none.
        columns: Column names by key, if the data set has any.
    """

    state: tuple[str, ...]
    action: str
    images: tuple[str, ...]
    points: tuple[str, ...]
    step_s: float
    rewards: str = ""
    seconds: str = ""
    stamps_ns: str = ""
    interventions: str = ""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def action_keys(self) -> tuple[str, ...]:
        """Keys whose columns, in this order, make the action."""
        return tuple(self.action.split(JOIN))

    def unused(self, shapes: Mapping[str, RowShape]) -> dict[str, RowShape]:
        """Return the keys without a role, sorted.

        Args:
            shapes: Shape of a row of each key of the data set.
        """
        named = {*self.state, *self.action_keys, *self.images, *self.points}
        named |= {self.rewards, self.seconds, self.stamps_ns, self.interventions}
        return {key: shapes[key] for key in sorted(shapes) if key not in named}


def make_episode(
    read: Callable[[str], Values], layout: Layout, task: str, success: bool | None
) -> Episode:
    """Return an episode of arrays whose first axis is time.

    Args:
        read: Returns the array of a key.
        layout: Role of each key.
        task: Name of the task.
        success: Whether the task was solved. None if unknown: the demonstration counts as a
            success that its operator ended.

    Raises:
        EpisodeError: If there are no rows, or a key has a number of rows other than the action,
            a non-finite number, or values of another type.
    """
    first, *others = layout.action_keys
    commands = {first: _table(first, _matrix(first, read(first)), None)}
    steps = len(commands[first])
    commands |= {key: _table(key, _matrix(key, read(key)), steps) for key in others}
    if steps == 0:
        raise EpisodeError(f"{layout.action} has no rows, expected at least one: drop the episode")
    tables = {key: _table(key, read(key), steps) for key in layout.state}
    return Episode(
        task=task,
        seed=-1,
        mode="",
        outcome="failure" if success is False else "success",
        termination_reason={True: "success", False: "failure", None: "operator"}[success],
        state_names=_names(tables, layout.columns),
        action_names=_names(commands, layout.columns),
        step_s=layout.step_s,
        states=np.concatenate([np.zeros((steps, 0), np.float32), *tables.values()], axis=1),
        actions=np.concatenate([*commands.values()], axis=1),
        rewards=_rewards(read, layout, steps),
        stamps_ns=_stamps_ns(read, layout, steps),
        images={key: _images(key, read(key), steps) for key in layout.images},
        points={key: _cloud(key, read(key), steps) for key in layout.points},
        interventions=_interventions(read, layout.interventions, steps),
    )


def _table(key: str, values: Values, steps: int | None) -> Floats:
    """Return one row per step, in float32. Shape (steps, columns)."""
    _check_rows(key, values, steps)
    width = int(np.prod(values.shape[1:]))
    return _finite(key, values).reshape(len(values), width)


def _matrix(key: str, values: Values) -> Values:
    """Return an action, whose rows are numbers or vectors.

    Raises:
        EpisodeError: If it has more axes, such as several stacked episodes.
    """
    if values.ndim > 2:
        raise EpisodeError(
            f"{key} has shape {values.shape}, expected (steps, columns): store each episode "
            "separately, and flatten its rows"
        )
    return values


def require_numbers(key: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Check that an array has rows of numbers.

    Raises:
        EpisodeError: With its shape and type.
    """
    if not shape or dtype.kind not in NUMBERS:
        raise EpisodeError(
            f"{key} has shape {shape} of {dtype}, expected rows of numbers: choose another key"
        )


def _check_rows(key: str, values: Values, steps: int | None) -> None:
    require_numbers(key, values.shape, values.dtype)
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


def _names(tables: Mapping[str, Floats], columns: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    names = [name for key in tables for name in _column_names(key, tables[key], columns)]
    if len(set(names)) < len(names):
        # Two keys with equal column names, such as position and velocity of a joint.
        names = [f"{key}.{column}" for key in tables for column in range(tables[key].shape[1])]
    return tuple(names)


def _column_names(
    key: str, table: Floats, columns: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    names = columns.get(key, ())
    if len(names) == len(set(names)) == table.shape[1]:
        return names
    return tuple(f"{key}.{column}" for column in range(table.shape[1]))


def _rewards(read: Callable[[str], Values], layout: Layout, steps: int) -> Floats:
    if not layout.rewards:
        return np.zeros(steps, np.float32)
    table = _table(layout.rewards, read(layout.rewards), steps)
    if table.shape[1] != 1:
        raise EpisodeError(f"{layout.rewards} has {table.shape[1]} columns, expected 1")
    return table[:, 0]


def _interventions(read: Callable[[str], Values], key: str, steps: int) -> Flags | None:
    """Return whether a human drove each step; None if there was no policy."""
    if not key:
        return None
    values = read(key)
    _check_rows(key, values, steps)
    if not np.isin(values, (0, 1)).all() or values.size != steps:
        raise EpisodeError(
            f"{key} has shape {values.shape} and values from {values.min():g} to "
            f"{values.max():g}, expected ({steps},) and only 0 and 1: correct the flags"
        )
    flags: Flags = values.reshape(steps).astype(bool)
    return None if flags.all() else flags


def _stamps_ns(read: Callable[[str], Values], layout: Layout, steps: int) -> NDArray[np.int64]:
    if layout.stamps_ns:
        return _increasing(layout.stamps_ns, read(layout.stamps_ns), steps, 1)
    if not layout.seconds:
        nominal_ns: NDArray[np.int64] = np.rint(
            np.arange(steps, dtype=np.float64) * layout.step_s * NS_PER_S
        ).astype(np.int64)
        return nominal_ns
    return _increasing(layout.seconds, read(layout.seconds), steps, NS_PER_S)


def _increasing(key: str, values: Values, steps: int, unit_ns: int) -> NDArray[np.int64]:
    """Return timestamps of a unit in [ns]. Shape (steps,)."""
    _check_rows(key, values, steps)
    _finite(key, values)
    rows = values.reshape(steps)
    if rows.dtype.kind == "f":
        rows = np.rint(rows.astype(np.float64) * unit_ns).astype(np.int64)
        unit_ns = 1
    stamps_ns: NDArray[np.int64] = rows.astype(np.int64) * unit_ns
    not_increasing = np.flatnonzero(np.diff(stamps_ns) <= 0)
    if len(not_increasing):
        raise EpisodeError(
            f"{key} does not increase after step {int(not_increasing[0])}: drop the episode"
        )
    return stamps_ns


def _images(key: str, values: Values, steps: int) -> Image:
    """Return pixels as rgb8. Shape (steps, height, width, 3)."""
    _check_rows(key, values, steps)
    return rgb8(key, values)


def _cloud(key: str, values: Values, steps: int) -> Floats:
    """Return x, y, z in [m] and colours from 0 to 1. Shape (steps, points, 3 or 6)."""
    _check_rows(key, values, steps)
    cloud = _finite(key, values)
    # If all values are at most 1, a scale of 255 would be black, so the scale is 1.
    if cloud.ndim == 3 and cloud.shape[2] == 6 and cloud[..., 3:].max(initial=0) > 1:
        cloud[..., 3:] /= WHITE
    return cloud
