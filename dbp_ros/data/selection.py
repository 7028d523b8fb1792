"""Selection of the keys of a data set for state, action, images and point clouds."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Literal

from dbp_ros.errors import EpisodeError
from dbp_ros.settings.fields import Settings, setting, to_json

# Between the keys of an action.
JOIN: Final = "+"
FROM_NAMES: Final = "by_name"
AS_RECORDED: Final = "as_recorded"


@dataclass(frozen=True)
class Selection(Settings):
    """Keys and rate of a data set; None, or an empty action, for the default of the format.

    Raises:
        ConfigError: If a value has the wrong type or is out of range.
        EpisodeError: If a key is given twice.
    """

    state: tuple[str, ...] | None = setting(
        None, "keys of the state, whose columns are concatenated in this order; no key for no state"
    )
    action: str = setting("", "key of the action; several keys are joined by +")
    images: tuple[str, ...] | None = setting(None, "keys of the cameras; no key for no images")
    points: tuple[str, ...] | None = setting(None, "keys of the point clouds; no key for none")
    step_s: float | None = setting(
        None, "time between two rows in [s], if the data set does not store it"
    )
    robot: str = setting(
        "",
        "description of a robot: a name in config/robots/, or a file; states and actions are then "
        "its joints in [rad] and [m], and cameras have its names, see `data` in the description",
    )
    units: Literal["by_name", "rad", "deg", "as_recorded"] = setting(
        FROM_NAMES,
        "unit of columns that look like joints of an arm: by_name is [rad] for names that end in "
        "`joint`; deg is converted to [rad]; as_recorded accepts any, for models that run in the "
        "simulator of the data only",
    )
    gripper_units: Literal["by_name", "m", "mm", "rad", "deg"] = setting(
        FROM_NAMES,
        "unit of columns that look like grippers or fingers: by_name is [m] for names that end in "
        "`gripper_joint`; mm and deg are converted to [m] and [rad]",
    )
    image_size: tuple[int, int] | None = setting(
        None,
        "height and width to which images are reduced in memory; that of the data if not given",
    )
    stride: int | None = setting(None, "read every n-th row, with steps n times as long", ge=1)

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        for field in ("state", "images", "points"):
            keys = getattr(self, field) or ()
            twice = [key for key in keys if keys.count(key) > 1]
            if twice:
                raise EpisodeError(f"{field} names {twice[0]} twice: name each key once")
        if self.image_size is not None and min(self.image_size) < 8:
            raise EpisodeError(f"image_size is {self.image_size}, expected at least 8 pixels each")
        units = {"units": self.units, "gripper_units": self.gripper_units}
        chosen = [f"{name} is {unit}" for name, unit in units.items() if unit != FROM_NAMES]
        if self.units == AS_RECORDED and self.gripper_units != FROM_NAMES:
            raise EpisodeError(
                f"gripper_units is {self.gripper_units} and units is {AS_RECORDED}: leave out one"
            )
        if self.robot and chosen:
            raise EpisodeError(
                f"{chosen[0]} and robot is {self.robot}: give units in the data section of the "
                "description only"
            )
        if self.step_s is not None and not 0 < self.step_s < float("inf"):
            raise EpisodeError(f"step_s is {self.step_s}, expected seconds above 0")

    def to_dict(self) -> dict[str, Any]:
        """Return the values that differ from the default, fit for JSON."""
        values, defaults = json.loads(to_json(self)), json.loads(to_json(Selection()))
        return {name: value for name, value in values.items() if value != defaults[name]}


DEFAULT_SELECTION = Selection()


def choose(
    field: str,
    selected: tuple[str, ...] | None,
    default: Collection[str],
    available: Collection[str],
) -> tuple[str, ...]:
    """Return the keys to read.

    Args:
        field: Field of the selection, for the error.
        selected: Selected keys; None for `default`.
        default: Default of the format.
        available: Keys of the data set.

    Raises:
        EpisodeError: If a key is missing, with those that are available.
    """
    keys = tuple(default) if selected is None else selected
    for key in keys:
        if key not in available:
            found = ", ".join(sorted(available)) or "none"
            raise EpisodeError(f"no key {key!r} for {field}: use one of {found}")
    return keys


def choose_action(selected: str, default: str, available: Collection[str]) -> str:
    """Return the key of the action, or its keys with `+` between them; see `choose`."""
    chosen = selected or default
    if chosen not in available:
        choose("action", tuple(chosen.split(JOIN)), (), available)
    return chosen
