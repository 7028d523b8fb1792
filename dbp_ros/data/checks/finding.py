"""Findings of the checks of a data set."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["note", "warning", "error"]


@dataclass(frozen=True)
class EpisodeFinding:
    """A fault of an episode or of a whole set, with its fix.

    Attributes:
        level: `note` for a measurement without a fault, `warning` or `error`.
        episode: Name of the episode; empty for the whole set.
        field: Joint, camera, `stamps`, `outcome`, ...
        sentence: Description of the fault.
        fix: What the user can do; empty for a note.
        value: Measured value with its unit; empty if there is none.
        time_s: Time since the start of the episode in [s]; None for the whole episode.
    """

    level: Level
    episode: str
    field: str
    sentence: str
    fix: str = ""
    value: str = ""
    time_s: float | None = None
