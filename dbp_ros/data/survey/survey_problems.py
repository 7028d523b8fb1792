"""Problems of a data set that matter for training on it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from dbp_ros.data.checks.consistency import LENGTH_FACTOR
from dbp_ros.data.checks.finding import EpisodeFinding
from dbp_ros.data.selection import Selection
from dbp_ros.data.spec import CONSTANT_BELOW, differences
from dbp_ros.data.survey.episode_survey import EpisodeSurvey
from dbp_ros.data.survey.taken import cameras_not_of_robot, compact, unfit_for_policy_node
from dbp_ros.data.survey.unit_suggestion import unit_problems
from dbp_ros.data.unit_check import ColumnRange
from dbp_ros.data.units import ColumnUnits


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
    undecided = unit_problems(ranges, selection)
    unfit = unfit_for_policy_node(spec.states, spec.actions, units)
    cameras = {camera for one in found for camera in one.spec.images}
    unmapped = cameras_not_of_robot(cameras, selection.robot)
    return [
        *undecided,
        *_constant(ranges),
        *_unlike(found),
        *_faults([finding for one in found for finding in one.findings]),
        *_copied_states(found),
        *([unfit] if unfit and not undecided else []),
        *([unmapped] if unmapped else []),
    ]


def constant_columns(ranges: Sequence[ColumnRange]) -> list[ColumnRange]:
    """Return the columns that do not change, by the same limit as in training."""
    return [one for one in ranges if (one.high - one.low) * one.factor <= CONSTANT_BELOW]


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
