"""Problems of a data set that matter for training on it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from dbp_ros.data.checks.consistency import LENGTH_FACTOR
from dbp_ros.data.checks.finding import EpisodeFinding
from dbp_ros.data.selection import FROM_NAMES, Selection
from dbp_ros.data.spec import CONSTANT_BELOW, differences
from dbp_ros.data.survey.episode_survey import EpisodeSurvey
from dbp_ros.data.survey.taken import compact, unfit_for_policy_node
from dbp_ros.data.unit_check import ColumnRange, check_units, possible_units
from dbp_ros.data.units import ColumnUnits, looks_like_arm_joint, looks_like_gripper
from dbp_ros.errors import EpisodeError
from dbp_ros.settings.fields import from_mapping

FLAGS = {"radians": "rad", "degrees": "deg", "metres": "m"}


def find_problems(
    found: Sequence[EpisodeSurvey], ranges: Sequence[ColumnRange], selection: Selection
) -> list[str]:
    """Return the problems of the surveyed episodes, in sentences.

    Args:
        found: At least one episode.
        ranges: Range of each column.
        selection: What was read.
    """
    spec, units = found[0].spec, ColumnUnits.of_selection(selection)
    return [
        *_unit_problems(ranges, selection),
        *_constant(ranges),
        *_unlike(found),
        *_faults([finding for one in found for finding in one.findings]),
        *_copied_states(found),
        *filter(None, [unfit_for_policy_node(spec.states, spec.actions, units)]),
    ]


def constant_columns(ranges: Sequence[ColumnRange]) -> list[ColumnRange]:
    """Return the columns that do not change, by the same limit as in training."""
    return [one for one in ranges if (one.high - one.low) * one.factor <= CONSTANT_BELOW]


def suggested_units(ranges: Sequence[ColumnRange], selection: Selection) -> Selection | None:
    """Return the selection with the most likely units where they are undecided.

    Returns:
        None if no unit that can be given fits.
    """
    if not _unit_problems(ranges, selection):
        return selection
    if selection.robot:
        return None
    arm = _likely([column for column in ranges if looks_like_arm_joint(column.name)])
    gripper = _likely([column for column in ranges if looks_like_gripper(column.name)])
    choices = [(arm, FROM_NAMES), (FROM_NAMES, gripper), (arm, gripper)]
    for units, gripper_units in choices:
        given = {"units": units, "gripper_units": gripper_units}
        chosen = from_mapping(Selection, {**selection.to_dict(), **given})
        factors = ColumnUnits.of_selection(chosen).factor
        converted = [replace(column, factor=factors(column.name)) for column in ranges]
        if not _unit_problems(converted, chosen):
            return chosen
    return None


def _likely(columns: Sequence[ColumnRange]) -> str:
    """Return the unit of the column with the largest values."""
    if not columns:
        return FROM_NAMES
    largest = max(columns, key=lambda column: column.largest)
    return FLAGS.get(possible_units(largest)[0], FROM_NAMES)


def _unit_problems(ranges: Sequence[ColumnRange], selection: Selection) -> list[str]:
    try:
        check_units(ranges, selection)
    except EpisodeError as error:
        return [str(error)]
    return []


def _constant(ranges: Sequence[ColumnRange]) -> Iterator[str]:
    for side in ("state", "action"):
        names = [column.name for column in constant_columns(ranges) if column.side == side]
        if names:
            yield f"constant columns of the {side}: {compact(names)}"


def _unlike(found: Sequence[EpisodeSurvey]) -> Iterator[str]:
    median = float(np.median([one.steps for one in found]))
    for one in found:
        if not median / LENGTH_FACTOR <= one.steps <= median * LENGTH_FACTOR:
            yield f"{one.name} has {one.steps} steps, the median is {median:g}"
    # Images and point clouds are read of a few episodes only.
    first = next((one for one in found if one.sensors), found[0])
    others: dict[tuple[str, str], list[str]] = {}
    for one in found:
        spec = one.spec
        if not one.sensors:
            spec = replace(spec, images=first.spec.images, points=first.spec.points)
        for field, difference in differences(first.spec, spec).items():
            others.setdefault((field, difference), []).append(one.name)
    for (field, difference), names in others.items():
        yield f"{compact(names)}: {field} {difference}, unlike {first.name}"


def _faults(findings: Sequence[EpisodeFinding]) -> Iterator[str]:
    """Return one sentence for each kind of fault of a field, which has one fix."""
    kinds: dict[tuple[str, str], list[EpisodeFinding]] = {}
    for finding in findings:
        kinds.setdefault((finding.field, finding.fix), []).append(finding)
    for first, *rest in kinds.values():
        time = "" if first.time_s is None else f" at {first.time_s:.2f} s"
        others = f"; also in {compact(one.episode for one in rest)}" if rest else ""
        yield f"{first.field} of {first.episode}{time}: {first.sentence}{others}"


def _copied_states(found: Sequence[EpisodeSurvey]) -> Iterator[str]:
    if all(one.repeats_state for one in found):
        yield "every action equals the state of its row, so no commands were recorded"
