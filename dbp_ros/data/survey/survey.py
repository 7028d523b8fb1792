"""Survey of a data set: size, rate, columns, sensors, what is not read, and problems."""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dbp_ros.data.episode_set import RowShape
from dbp_ros.data.formats import describe_choices, format_of, open_episodes
from dbp_ros.data.pose_actions import KinematicsOf
from dbp_ros.data.selection import Selection
from dbp_ros.data.survey.episode_survey import EpisodeSurvey
from dbp_ros.data.survey.survey_problems import constant_columns, find_problems
from dbp_ros.data.survey.unit_suggestion import assumed_units, suggested_units
from dbp_ros.data.unit_check import ColumnRange
from dbp_ros.data.units import ColumnUnits
from dbp_ros.errors import EpisodeError
from dbp_ros.settings.flags import flags_of

# Episodes whose images are read, at most.
IMAGE_EPISODES = 3


@dataclass(frozen=True)
class Column:
    """A column of the state or the action.

    Attributes:
        role: `state` or `action`.
        name: Name of the column.
        unit: Unit after reading; empty if it is unknown.
        reason: What determines the unit.
        low: Smallest value after reading.
        high: Largest value after reading.
    """

    role: str
    name: str
    unit: str
    reason: str
    low: float
    high: float


@dataclass(frozen=True)
class Key:
    """A camera, a point cloud, or a key that is not read.

    Attributes:
        role: `camera`, `point cloud` or `not read`.
        name: The key.
        shape: Shape of a row.
        low: Smallest value; None if it is unknown.
        high: Largest value; None if it is unknown.
    """

    role: str
    name: str
    shape: RowShape
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Survey:
    """A data set as it is read with a selection.

    Attributes:
        path: The set.
        format: Name of its format.
        choices: What the reader chose without a flag, such as the topics of a bag.
        episodes: Number of episodes.
        surveyed: Number of episodes that were read for the survey.
        shortest: Rows of the shortest episode that was read.
        median: Median rows of an episode.
        longest: Rows of the longest episode that was read.
        total_s: Duration of all episodes in [s], an estimate if some were not read.
        step_s: Time between two rows, in [s].
        intervention_share: Share of the rows that a human drove in episodes of a policy; None if
            there are only demonstrations.
        columns: Columns of the state and the action.
        keys: Cameras, point clouds, and keys that are not read.
        problems: Problems that matter for training, in sentences.
        command: Command line that trains on the set; empty if no units fit, or an episode cannot
            be read.
        assumption: Unit that the command line assumes although the values allow others; empty if
            it assumes none.
        unreadable: Number of episodes that were tried and cannot be read.
    """

    path: str
    format: str
    choices: tuple[str, ...]
    episodes: int
    surveyed: int
    shortest: int
    median: float
    longest: int
    total_s: float
    step_s: float
    intervention_share: float | None
    columns: tuple[Column, ...]
    keys: tuple[Key, ...]
    problems: tuple[str, ...] = ()
    command: str = ""
    assumption: str = ""
    unreadable: int = 0


def survey(
    path: Path, selection: Selection, sample: int, kinematics: KinematicsOf | None = None
) -> Survey:
    """Read a sample of episodes, evenly over the set, and describe the set.

    Images are read of a few of them only.

    Args:
        path: Folder or file of a data set.
        selection: What to read. Its stride applies to the command line only.
        sample: Number of episodes to read.
        kinematics: See `open_episodes`.

    Raises:
        EpisodeError: If the set cannot be opened, or none of the episodes can be read.
    """
    given, selection = selection, replace(selection, stride=None)
    episodes = open_episodes(path, selection, kinematics)
    found, errors = _read(path, selection, _evenly(len(episodes), sample), kinematics)
    first, steps = found[0], [one.steps for one in found]
    units = ColumnUnits.of_selection(selection)
    ranges = _ranges(found, units)
    chosen = None if errors else suggested_units(ranges, given)
    return Survey(
        path=str(path),
        format=format_of(path).name,
        choices=describe_choices(path, selection),
        episodes=len(episodes),
        surveyed=len(found),
        shortest=min(steps),
        median=float(np.median(steps)),
        longest=max(steps),
        total_s=float(np.mean(steps)) * len(episodes) * first.spec.step_s,
        step_s=first.spec.step_s,
        intervention_share=_intervention_share(found),
        columns=tuple(_column(one, units) for one in ranges),
        keys=(*_sensors(found), *_unused(path, selection, episodes.unused)),
        problems=(*errors, *find_problems(found, ranges, selection)),
        command=_command(path, chosen, ranges) if chosen else "",
        assumption=assumed_units(ranges, given, chosen) if chosen else "",
        unreadable=len(errors),
    )


def _intervention_share(found: Sequence[EpisodeSurvey]) -> float | None:
    counts = [(n, one.steps) for one in found if (n := one.intervention_steps) is not None]
    return sum(n for n, _ in counts) / sum(steps for _, steps in counts) if counts else None


def _evenly(count: int, sample: int) -> list[int]:
    """Return at most `sample` of `count` indices, evenly."""
    indices: list[int] = np.linspace(0, count - 1, min(sample, count)).round().astype(int).tolist()
    return indices


def _read(
    path: Path, selection: Selection, indices: Sequence[int], kinematics: KinematicsOf | None
) -> tuple[list[EpisodeSurvey], list[str]]:
    """Return the surveys of readable episodes, and the errors of the others.

    Images are read of a few episodes only.
    """
    whole = open_episodes(path, selection, kinematics)
    columns = open_episodes(path, replace(selection, images=(), points=()), kinematics)
    with_images = {indices[index] for index in _evenly(len(indices), IMAGE_EPISODES)}
    found, errors = [], []
    for index in indices:
        episodes = whole if index in with_images else columns
        try:
            found.append(EpisodeSurvey.of(episodes.names[index], episodes.read(index)))
        except EpisodeError as error:
            errors.append(str(error))
    if not found:
        raise EpisodeError(f"none of {len(errors)} episodes can be read: {errors[0]}")
    return found, errors


def _ranges(found: Sequence[EpisodeSurvey], units: ColumnUnits) -> list[ColumnRange]:
    """Return the range of each column, over the episodes with the columns of the first."""
    ranges = []
    for side in ("state", "action"):
        names = getattr(found[0].spec, f"{side}s")
        alike = [one for one in found if getattr(one.spec, f"{side}s") == names]
        for index, name in enumerate(names):
            bounds = [getattr(one, f"{side}s")[index] for one in alike]
            factor = units.factor(name)
            low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
            ranges.append(ColumnRange(side, name, low / factor, high / factor, factor))
    return ranges


def _column(one: ColumnRange, units: ColumnUnits) -> Column:
    low, high = one.low * one.factor, one.high * one.factor
    return Column(one.side, one.name, units.of(one.name), units.reason(one.name), low, high)


def _sensors(found: Sequence[EpisodeSurvey]) -> list[Key]:
    shapes: dict[str, RowShape] = {}
    for one in found:
        shapes = {**one.spec.images, **one.spec.points, **shapes}
    keys = []
    for name, shape in shapes.items():
        bounds = [one.sensors[name] for one in found if name in one.sensors]
        low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
        is_camera = any(name in one.spec.images for one in found)
        keys.append(Key("camera" if is_camera else "point cloud", name, shape, low, high))
    return keys


def _unused(path: Path, selection: Selection, unused: Mapping[str, RowShape]) -> list[Key]:
    """Return the keys that are not read, with the ranges of columns in the first episode."""
    keys = []
    for name, shape in unused.items():
        key = Key("not read", name, shape)
        if len(shape) <= 1:
            # Not all can be read as a state, such as a key with other rows than the action.
            with suppress(EpisodeError):
                chosen = Selection(
                    state=(name,),
                    action=selection.action,
                    images=(),
                    points=(),
                    step_s=selection.step_s,
                )
                values = open_episodes(path, chosen).read(0).states
                if values.size:
                    key = replace(key, low=float(values.min()), high=float(values.max()))
        keys.append(key)
    return keys


def _command(path: Path, selection: Selection, ranges: Sequence[ColumnRange]) -> str:
    """Return a command line that trains with a selection."""
    words = ["dbp", "train", "--data", str(path), *flags_of(selection)]
    if any(column.side == "action" for column in constant_columns(ranges)):
        words.append("--allow-constant-actions")
    return shlex.join([*words, "--out", f"build/train/{path.resolve().stem}"])
