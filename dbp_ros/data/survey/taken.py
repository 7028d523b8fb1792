"""Description of what is read of a data set, and of what is left."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from dbp_ros.data.episode_set import RowShape
from dbp_ros.data.units import UNKNOWN, ColumnUnits
from dbp_ros.settings.robot_files import read_robot

NUMBERED = re.compile(r"(.*?)(\d+)")


@dataclass(frozen=True)
class Taken:
    """Columns, cameras and clouds that are read of each episode.

    Attributes:
        state_names: Columns of the state.
        action_names: Columns of the action.
        images: Shape of an image of each camera.
        points: Shape of a cloud of each sensor.
        step_s: Time between two rows, in [s].
        units: Units after reading.
        unused: Shape of a row of each key that is not read.
    """

    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    images: Mapping[str, RowShape]
    points: Mapping[str, RowShape]
    step_s: float
    units: ColumnUnits
    unused: Mapping[str, RowShape]

    def lines(self) -> list[str]:
        """Return one line per role, and one per unit of its columns."""
        lines = [f"rate: {1 / self.step_s:.6g} Hz, steps of {self.step_s:.4g} s"]
        for side, names in (("state", self.state_names), ("action", self.action_names)):
            lines.append(f"{side}: {_count(len(names), 'column')}")
            lines += [f"  {line}" for line in self._by_unit(names)]
        unfit = unfit_for_policy_node(self.state_names, self.action_names, self.units)
        lines += [f"  {unfit}"] if unfit else []
        lines.append(f"cameras: {listed_shapes(self.images) or 'none'}")
        lines.append(f"point clouds: {listed_shapes(self.points) or 'none'}")
        return [*lines, f"not read: {listed_shapes(self.unused) or 'nothing'}"]

    def _by_unit(self, names: Sequence[str]) -> list[str]:
        """Return the columns of each unit, with the reason for it."""
        by_unit: dict[tuple[str, str], list[str]] = {}
        for name in names:
            key = self.units.of(name), self.units.reason(name)
            by_unit.setdefault(key, []).append(name)
        return [
            f"[{unit or 'unknown'}] {reason}: {compact(columns)}"
            for (unit, reason), columns in by_unit.items()
        ]


def unfit_for_policy_node(
    state_names: Sequence[str], action_names: Sequence[str], units: ColumnUnits
) -> str:
    """Return why no policy node runs a model with these columns; empty if one does."""
    if any(units.of(name) == UNKNOWN for name in action_names):
        return (
            "the action is taken as recorded: no policy node runs such a model, only the simulator "
            "of the data; for a robot, name its description with --robot, whose data section maps "
            "columns to joints"
        )
    if tuple(state_names) != tuple(action_names):
        return (
            "the state has other columns than the action: a policy node measures the positions of "
            f"the commanded joints only, so choose {compact(action_names)} with --state"
        )
    return ""


def cameras_not_of_robot(cameras: Iterable[str], robot: str) -> str:
    """Return which cameras of a data set a robot lacks; empty for none, or without a robot.

    Args:
        cameras: Cameras after reading, in the names of the robot where its description maps them.
        robot: Name or file of the description; empty for none.
    """
    if not robot:
        return ""
    description = read_robot(robot)
    if not (others := sorted(set(cameras) - set(description.cameras))):
        return ""
    known = ", ".join(description.cameras) or "no cameras"
    return (
        f"{description.name} has {known}, and not {compact(others)}, so a policy node waits for "
        "such images: name the camera of the robot in data.cameras of the description, or choose "
        "cameras with --images"
    )


def compact(names: Iterable[str]) -> str:
    """Return names as text, with runs of consecutive numbers as their first and last name."""
    parts = []
    for _, run in groupby(enumerate(names), _run_of):
        members = [name for _, name in run]
        joined = ", ".join(members)
        parts.append(f"{members[0]} to {members[-1]}" if len(members) > 2 else joined)
    return ", ".join(parts)


def _run_of(item: tuple[int, str]) -> tuple[str, int]:
    """Return a value that is equal for neighbours with consecutive numbers at the end."""
    position, name = item
    match = NUMBERED.fullmatch(name)
    return (match[1], int(match[2]) - position) if match else (name, -1)


def shape_text(shape: RowShape) -> str:
    """Return the shape of a row as text, such as `480 x 640 x 3`; 1 for a number."""
    return " x ".join(map(str, shape)) or "1"


def listed_shapes(shapes: Mapping[str, RowShape]) -> str:
    """Return keys with their shapes as text."""
    return ", ".join(f"{key} ({shape_text(shape)})" for key, shape in shapes.items())


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
