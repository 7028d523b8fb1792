"""Units that the command line of a survey gives, where the names of columns do not decide them."""

from collections.abc import Sequence
from dataclasses import replace

from dbp_ros.data.selection import FROM_NAMES, Selection
from dbp_ros.data.unit_check import ColumnRange, check_units, possible_units
from dbp_ros.data.units import ColumnUnits, looks_like_arm_joint, looks_like_gripper
from dbp_ros.errors import EpisodeError
from dbp_ros.settings.fields import from_mapping

FLAGS = {"radians": "rad", "degrees": "deg", "metres": "m"}


def suggested_units(ranges: Sequence[ColumnRange], selection: Selection) -> Selection | None:
    """Return the selection with the most likely units where they are undecided.

    Returns:
        None if no unit that can be given fits, or a given one does not.
    """
    if not unit_problems(ranges, selection):
        return selection
    if selection.robot:
        return None
    arm_joints = [column for column in ranges if looks_like_arm_joint(column.name)]
    grippers = [column for column in ranges if looks_like_gripper(column.name)]
    arm = _likely(arm_joints, selection.units)
    gripper = _likely(grippers, selection.gripper_units)
    choices = [(arm, selection.gripper_units), (selection.units, gripper), (arm, gripper)]
    for units, gripper_units in choices:
        given = {"units": units, "gripper_units": gripper_units}
        chosen = from_mapping(Selection, {**selection.to_dict(), **given})
        factors = ColumnUnits.of_selection(chosen).factor
        converted = [replace(column, factor=factors(column.name)) for column in ranges]
        if not unit_problems(converted, chosen):
            return chosen
    return None


def _likely(columns: Sequence[ColumnRange], given: str) -> str:
    """Return the given unit, or that of the column with the largest values if it is by name."""
    if given != FROM_NAMES:
        return given
    possible = _possible(columns)
    return FLAGS.get(possible[0], FROM_NAMES) if possible else FROM_NAMES


def _possible(columns: Sequence[ColumnRange]) -> list[str]:
    """Return what the column with the largest values may be; nothing without columns."""
    largest = max(columns, key=lambda column: column.largest, default=None)
    return [] if largest is None else possible_units(largest)


def assumed_units(ranges: Sequence[ColumnRange], given: Selection, chosen: Selection) -> str:
    """Return a sentence on the chosen units that the values do not decide; empty without any.

    Args:
        ranges: Range of each column.
        given: Selection of the user.
        chosen: Selection with the most likely units.
    """
    parts = []
    for flag, before, after, matches in (
        ("units", given.units, chosen.units, looks_like_arm_joint),
        ("gripper-units", given.gripper_units, chosen.gripper_units, looks_like_gripper),
    ):
        others = _possible([column for column in ranges if matches(column.name)])[1:]
        if before != after and others:
            parts.append(f"--{flag} {after}, and the values may also be {' or '.join(others)}")
    return "; ".join(parts)


def unit_problems(ranges: Sequence[ColumnRange], selection: Selection) -> list[str]:
    """Return the error on columns whose unit is undecided or contradicted, if there is one."""
    try:
        check_units(ranges, selection)
    except EpisodeError as error:
        return [str(error)]
    return []
