"""Groups of the columns of an episode, such as the joints of one arm, for plots."""

from collections.abc import Sequence
from dataclasses import dataclass

from dbp_ros.data.units import ColumnUnits
from dbp_ros.settings.robot import RobotDescription

GRIPPERS = "grippers"
SIDES = ("left", "right")
# Columns that stay readable in one plot.
MAX_COLUMNS = 8


@dataclass(frozen=True)
class ColumnGroup:
    """Columns that share one plot.

    Attributes:
        title: Title of the plot.
        unit: Unit of the values; empty if unknown.
        columns: Names of the columns.
    """

    title: str
    unit: str
    columns: tuple[str, ...]


def group_columns(
    names: Sequence[str], units: ColumnUnits, robot: RobotDescription | None = None
) -> list[ColumnGroup]:
    """Return groups of columns with one unit each.

    Columns of a robot are grouped by arm and gripper, others by key or side.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for name in names:
        groups.setdefault((_title(name, robot), units.of(name)), []).append(name)
    arms_first = sorted(groups.items(), key=lambda group: group[0][0] == GRIPPERS)
    return [part for (title, unit), columns in arms_first for part in _parts(title, unit, columns)]


def _title(name: str, robot: RobotDescription | None) -> str:
    for arm, description in robot.arms.items() if robot else ():
        if name in description.joints:
            return f"arm {arm}"
        if name in description.gripper_joints:
            return GRIPPERS
    key, _, column = name.rpartition(".")
    if key and column.isdigit():
        return key
    if "gripper" in name:
        return GRIPPERS
    side = next((side for side in SIDES if name.startswith(side)), "")
    return f"{side} joints".strip() if name.endswith("joint") else side or "other columns"


def _parts(title: str, unit: str, columns: Sequence[str]) -> list[ColumnGroup]:
    starts = range(0, len(columns), MAX_COLUMNS)
    return [
        ColumnGroup(
            title if len(starts) == 1 else f"{title} ({number} of {len(starts)})",
            unit,
            tuple(columns[start : start + MAX_COLUMNS]),
        )
        for number, start in enumerate(starts, 1)
    ]
