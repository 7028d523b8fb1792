"""Problems of a data set that matter for training on it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dbp_ros.data.selection import FROM_NAMES, Selection
from dbp_ros.data.survey.episode_survey import EpisodeSurvey
from dbp_ros.data.survey.taken import compact, unfit_for_policy_node
from dbp_ros.data.unit_check import ColumnRange, check_units, possible_units
from dbp_ros.data.units import ColumnUnits, looks_like_arm_joint, looks_like_gripper
from dbp_ros.errors import EpisodeError
from dbp_ros.settings.fields import from_mapping

CONSTANT_BELOW = 1e-4
# Ratio of an episode's length to the median, and of a gap to a step, that is odd.
UNLIKE_LENGTH, LONG_GAP = 3.0, 1.5
# Brightest pixel of a black camera.
BLACK_BELOW = 8
FLAGS = {"radians": "rad", "degrees": "deg", "metres": "m"}


def find_problems(
    found: Sequence[EpisodeSurvey], ranges: Sequence[ColumnRange], selection: Selection
) -> list[str]:
    """Return what is odd in the surveyed episodes, in sentences.

    Args:
        found: At least one episode.
        ranges: Range of each column.
        selection: What was read.
    """
    first, units = found[0], ColumnUnits.of_selection(selection)
    return [
        *_unit_problems(ranges, selection),
        *_constant(ranges),
        *_unlike(found),
        *_gaps(found),
        *_cameras(found),
        *_copied_states(found),
        *filter(None, [unfit_for_policy_node(first.state_names, first.action_names, units)]),
    ]


def constant_columns(ranges: Sequence[ColumnRange]) -> list[ColumnRange]:
    """Return the columns that do not change."""
    return [column for column in ranges if column.high - column.low <= CONSTANT_BELOW]


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
    median = sorted(one.steps for one in found)[len(found) // 2]
    for one in found:
        if not median / UNLIKE_LENGTH <= one.steps <= median * UNLIKE_LENGTH:
            yield f"{one.name} has {one.steps} steps, the median is {median}"
    for what in ("state_names", "action_names", "step_s", "shapes"):
        values = {one.name: str(getattr(one, what)) for one in found if getattr(one, what)}
        usual = Counter(values.values()).most_common(1)[:1]
        others = [name for name, value in values.items() if value != usual[0][0]]
        if others:
            yield f"{what} of {compact(others)} differ from those of the other episodes"


def _gaps(found: Sequence[EpisodeSurvey]) -> Iterator[str]:
    late = [one for one in found if one.longest_gap_s > LONG_GAP * one.step_s]
    if late:
        worst = max(late, key=lambda one: one.longest_gap_s)
        yield (
            f"{len(late)} of {len(found)} episodes have gaps between stamps, the longest of "
            f"{worst.longest_gap_s:.3g} s in {worst.name}, at steps of {worst.step_s:.3g} s"
        )


def _cameras(found: Sequence[EpisodeSurvey]) -> Iterator[str]:
    for camera in dict.fromkeys(camera for one in found for camera in one.cameras):
        black = [one.name for one in found if one.sensors.get(camera, (0, 255))[1] < BLACK_BELOW]
        frozen = [one.name for one in found if camera in one.frozen and one.name not in black]
        if black:
            yield f"{camera} is black in {compact(black)}"
        if frozen:
            yield f"{camera} shows one image only in {compact(frozen)}"


def _copied_states(found: Sequence[EpisodeSurvey]) -> Iterator[str]:
    if all(one.repeats_state for one in found):
        yield "every action equals the state of its row, so no commands were recorded"
