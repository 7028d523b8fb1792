"""Problems of a data set that matter for training on it."""

from collections import Counter
from collections.abc import Iterator, Sequence

from dbp_ros.data.selection import Selection
from dbp_ros.data.survey.episode_survey import EpisodeSurvey
from dbp_ros.data.survey.taken import compact, unfit_for_policy_node
from dbp_ros.data.survey.unit_suggestion import unit_problems
from dbp_ros.data.unit_check import ColumnRange
from dbp_ros.data.units import ColumnUnits

CONSTANT_BELOW = 1e-4
# Ratio of an episode's length to the median, and of a gap to a step, that is odd.
UNLIKE_LENGTH, LONG_GAP = 3.0, 1.5
# Brightest pixel of a black camera.
BLACK_BELOW = 8


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
    undecided = unit_problems(ranges, selection)
    unfit = unfit_for_policy_node(first.state_names, first.action_names, units)
    return [
        *undecided,
        *_constant(ranges),
        *_unlike(found),
        *_gaps(found),
        *_cameras(found),
        *_copied_states(found),
        *([unfit] if unfit and not undecided else []),
    ]


def constant_columns(ranges: Sequence[ColumnRange]) -> list[ColumnRange]:
    """Return the columns that do not change."""
    return [column for column in ranges if column.high - column.low <= CONSTANT_BELOW]


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
