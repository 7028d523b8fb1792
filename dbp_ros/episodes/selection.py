"""Which keys of a data set become state, action, pictures and clouds."""

from collections.abc import Collection
from dataclasses import dataclass

from dbp_ros.errors import EpisodeError


@dataclass(frozen=True)
class Selection:
    """What to read of each episode; None, or an empty action, leaves it to the format.

    Attributes:
        state: Keys whose columns, in this order, make the state. `()` for no state.
        action: Key of the action.
        images: Keys of the cameras. `()` for no pictures.
        points: Keys of the point clouds. `()` for none.
        step_s: Time between two rows in [s], where the data set does not say it itself.
    """

    state: tuple[str, ...] | None = None
    action: str = ""
    images: tuple[str, ...] | None = None
    points: tuple[str, ...] | None = None
    step_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no data set could answer.

        Raises:
            EpisodeError: If a key is named twice or `step_s` is not above zero.
        """
        for field in ("state", "images", "points"):
            keys = getattr(self, field) or ()
            twice = [key for key in keys if keys.count(key) > 1]
            if twice:
                raise EpisodeError(f"{field} names {twice[0]} twice: name each key once")
        if self.step_s is not None and not 0 < self.step_s < float("inf"):
            raise EpisodeError(f"step_s is {self.step_s}, expected seconds above 0")


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
