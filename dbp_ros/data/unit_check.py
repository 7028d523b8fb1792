"""Refusal of columns whose unit is undecided or contradicts their values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dbp_ros.data.selection import AS_RECORDED, FROM_NAMES, Selection
from dbp_ros.data.units import (
    LARGEST_OPENING_M,
    METRES,
    RADIANS,
    UNKNOWN,
    ColumnUnits,
    looks_like_arm_joint,
    looks_like_gripper,
)
from dbp_ros.errors import EpisodeError
from dbp_ros.types import Floats

# Two full turns; a UR5e turns by one from zero.
LARGEST_ANGLE_RAD = 4.0 * math.pi
LARGEST_ANGLE_DEG = math.degrees(LARGEST_ANGLE_RAD)
# Largest value of a normalised joint, and the share by which recordings may exceed it.
NORMALISED = 100.0
NORMALISED_MARGIN = 1.05
MAX_LISTED = 8


@dataclass(frozen=True)
class ColumnRange:
    """Values of one column of the state or the action.

    Attributes:
        side: `state` or `action`.
        name: Name of the column.
        low: Smallest value in the data.
        high: Largest value in the data.
        factor: From the data to [rad] or [m].
    """

    side: str
    name: str
    low: float
    high: float
    factor: float = 1.0

    @property
    def largest(self) -> float:
        """Largest absolute value."""
        return max(-self.low, self.high)


def column_ranges(
    side: str, names: Sequence[str], values: Floats, units: ColumnUnits
) -> list[ColumnRange]:
    """Return the range of each column.

    Args:
        side: `state` or `action`.
        names: Names of the columns.
        values: At least one row, in the units after reading. Shape (steps, columns).
        units: Units after reading.
    """
    lows, highs = np.min(values, axis=0), np.max(values, axis=0)
    factors = map(units.factor, names)
    return [
        ColumnRange(side, name, float(low) / factor, float(high) / factor, factor)
        for name, low, high, factor in zip(names, lows, highs, factors, strict=True)
    ]


def check_units(columns: Sequence[ColumnRange], selection: Selection) -> None:
    """Check that the unit of every joint is known and fits its values.

    Units are required only if the action contains joints of an arm: other actions, such as poses
    of a hand, are never commanded by the policy node.

    Raises:
        EpisodeError: If a unit is undecided, contradicts the values, or has no matching column.
    """
    units = ColumnUnits.of_selection(selection)
    _check_choice(columns, selection)
    wrong = [column for column in columns if contradiction(column, units)]
    if wrong:
        raise EpisodeError(
            f"these columns contradict their units:\n{_listed(wrong, units)}\n"
            f"{_remedies(wrong, selection)}"
        )
    undecided = undecided_columns(columns, units)
    if undecided:
        raise EpisodeError(
            f"the units of these columns are not known:\n{_listed(undecided, units)}\n"
            f"{_remedies(undecided, selection)}"
        )


def undecided_columns(columns: Sequence[ColumnRange], units: ColumnUnits) -> list[ColumnRange]:
    """Return the columns whose unit must be given; none if the action has no joints of an arm."""
    actions = [column for column in columns if column.side == "action"]
    if not any(looks_like_arm_joint(column.name) for column in actions):
        return []
    if units.arm_unit == AS_RECORDED:
        return []
    return [
        column
        for column in columns
        if units.of(column.name) == UNKNOWN and (column.side == "action" or _is_joint(column.name))
    ]


def contradiction(column: ColumnRange, units: ColumnUnits) -> str:
    """Return why the values of a column cannot have its unit; empty if they can."""
    unit, largest = units.of(column.name), column.factor * column.largest
    if unit == RADIANS and largest > LARGEST_ANGLE_RAD:
        return "which cannot be an angle in [rad]"
    is_opening = unit == METRES and units.is_gripper(column.name)
    if is_opening and largest > LARGEST_OPENING_M:
        return f"which cannot be a gripper in [m], at most {LARGEST_OPENING_M:g}"
    return ""


def possible_units(column: ColumnRange) -> list[str]:
    """Return what the values of a joint may be, the most likely first."""
    low, largest = column.low, column.largest
    is_gripper = looks_like_gripper(column.name)
    if largest > LARGEST_ANGLE_DEG:
        return ["motor ticks"]
    if largest > LARGEST_ANGLE_RAD or (is_gripper and largest > math.pi):
        normalised = f"normalised to {'0' if low >= 0 else f'-{NORMALISED:g}'} to {NORMALISED:g}"
        possible = ["degrees", normalised] if largest <= NORMALISED * NORMALISED_MARGIN else []
        ticks = ["motor ticks"] if low >= 0 and largest > NORMALISED else []
        return possible or ["degrees", *ticks]
    if is_gripper:
        return (
            ["metres", "radians"]
            if largest <= LARGEST_OPENING_M
            else ["radians", f"normalised to {'0' if low >= 0 else '-1'} to 1"]
        )
    return ["radians"] if largest > 1.0 else ["radians", "normalised to -1 to 1"]


def _is_joint(name: str) -> bool:
    return looks_like_arm_joint(name) or looks_like_gripper(name)


def _check_choice(columns: Sequence[ColumnRange], selection: Selection) -> None:
    names = [column.name for column in columns]
    for flag, unit, matches, what in (
        ("units", selection.units, looks_like_arm_joint, "a joint of an arm"),
        ("gripper-units", selection.gripper_units, looks_like_gripper, "a gripper"),
    ):
        if unit not in (FROM_NAMES, AS_RECORDED) and not any(map(matches, names)):
            raise EpisodeError(
                f"--{flag} is {unit}, and the name of no column suggests {what} "
                f"({_some(names)}): leave it out, or name the joints with --robot"
            )


def _listed(columns: Sequence[ColumnRange], units: ColumnUnits) -> str:
    merged = _merged(columns)
    lines = [_line(column, units) for column in merged[:MAX_LISTED]]
    rest = len(merged) - MAX_LISTED
    return "\n".join([*lines, *([f"  and {rest} more"] if rest > 0 else [])])


def _merged(columns: Sequence[ColumnRange]) -> list[ColumnRange]:
    """Return one range for the columns of the same name in the state and in the action."""
    merged: dict[str, ColumnRange] = {}
    for column in columns:
        other = merged.get(column.name, column)
        merged[column.name] = replace(
            column,
            side=column.side if other is column else f"{other.side} and {column.side}",
            low=min(other.low, column.low),
            high=max(other.high, column.high),
        )
    return list(merged.values())


def _line(column: ColumnRange, units: ColumnUnits) -> str:
    ends = f"  {column.side} {column.name} runs from {column.low:.4g} to {column.high:.4g}"
    if not _is_joint(column.name) and column.name not in units.joints:
        return f"{ends}: its name suggests no joint"
    problem = contradiction(column, units)
    reason = f", {problem}, its unit {units.reason(column.name)}" if problem else ""
    return f"{ends}{reason}: may be {' or '.join(possible_units(column))}"


def _remedies(columns: Sequence[ColumnRange], selection: Selection) -> str:
    """Return the flags that fit the columns."""
    mapping = "  --robot NAME, whose data section maps columns and units, also ticks and ranges"
    if selection.robot:
        return f"Correct units and ranges in the data section of the description {selection.robot}."
    lines = [*unit_flags(columns), mapping]
    accept = (
        f"  --units {AS_RECORDED}: the values stay as they are, and no policy node runs the model; "
        "only the simulator of the data does"
    )
    return "Give what the data are:\n" + "\n".join([*lines, accept])


def unit_flags(columns: Sequence[ColumnRange]) -> list[str]:
    """Return the flags that may decide the units of columns."""
    flags = []
    for flag, matches, fitting in (
        ("units", looks_like_arm_joint, {"radians": "rad", "degrees": "deg"}),
        (
            "gripper-units",
            looks_like_gripper,
            {"metres": "m", "radians": "rad", "degrees": "deg"},
        ),
    ):
        matching = [column for column in columns if matches(column.name)]
        units = {unit for column in matching for unit in possible_units(column)}
        fits = [word for unit, word in fitting.items() if unit in units]
        if fits:
            note = ": converted on reading" if "deg" in fits else ""
            flags.append(f"  --{flag} {' or '.join(fits)}{note}")
    return flags


def _some(names: Sequence[str]) -> str:
    rest = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {rest} more" if rest > 0 else "")
