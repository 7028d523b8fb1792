"""Which keys of a data set become state, action, pictures and clouds."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from dbp_ros.errors import EpisodeError
from dbp_ros.settings.fields import setting


@dataclass(frozen=True)
class Selection:
    """What to read of each episode; None, or an empty action, leaves it to the format.

    Every field is a flag of `dbp train`.
    """

    state: tuple[str, ...] | None = setting(
        None, "keys whose columns, in this order, make the state; no key for no state"
    )
    action: str = setting("", "key of the action")
    images: tuple[str, ...] | None = setting(None, "keys of the cameras; no key for no pictures")
    points: tuple[str, ...] | None = setting(None, "keys of the point clouds; no key for none")
    step_s: float | None = setting(
        None, "time between two rows in [s], where the data set does not say it itself"
    )

    every: int | None = setting(
        None, "take every n-th row alone: steps of the policy are that much longer", minimum=1
    )

    def __post_init__(self) -> None:
        """Refuse what no data set could answer.

        Raises:
            EpisodeError: If a key is named twice, or a number is too small.
        """
        for field in ("state", "images", "points"):
            keys = getattr(self, field) or ()
            twice = [key for key in keys if keys.count(key) > 1]
            if twice:
                raise EpisodeError(f"{field} names {twice[0]} twice: name each key once")
        if self.step_s is not None and not 0 < self.step_s < float("inf"):
            raise EpisodeError(f"step_s is {self.step_s}, expected seconds above 0")
        if self.every is not None and self.every < 1:
            raise EpisodeError(f"every is {self.every}, expected at least 1")

    def document(self) -> dict[str, Any]:
        """Return what it asks for as plain values, nothing where it leaves all to the format."""
        asked = {name: value for name, value in asdict(self).items() if value not in (None, "")}
        return {n: list(value) if isinstance(value, tuple) else value for n, value in asked.items()}

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> "Selection":
        """Return the selection that `document` was made of."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in document.items()
        }
        return cls(**values)


USUAL = Selection()


def choose(
    field: str,
    wanted: tuple[str, ...] | None,
    usual: Collection[str],
    there: Collection[str],
) -> tuple[str, ...]:
    """Return the keys to read.

    Args:
        field: What they are for, for the error.
        wanted: What the user asked for; None for `usual`.
        usual: What the format takes unless asked.
        there: Every key that could be asked for.

    Raises:
        EpisodeError: If a key is not there; lists those that are.
    """
    keys = tuple(usual) if wanted is None else wanted
    for key in keys:
        if key not in there:
            found = ", ".join(sorted(there)) or "none"
            raise EpisodeError(f"there is no {key!r} for {field}: choose among {found}")
    return keys


def choose_action(wanted: str, usual: str, there: Collection[str]) -> str:
    """Return the key of the action, as `choose` does for the others."""
    return choose("action", (wanted or usual,), (), there)[0]
