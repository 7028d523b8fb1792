"""Names of episodes on a command line."""

import re
from collections.abc import Sequence

from dbp_ros.errors import EpisodeError

NUMBERS = re.compile(r"(\d+)(?:-(\d+))?")
SHOWN = 8


def find_episodes(given: Sequence[str], names: Sequence[str], origin: str) -> list[str]:
    """Return the names of the episodes that a user gives, without duplicates.

    Args:
        given: Names with or without the suffix of the file, numbers, or ranges such as `3-7`.
        names: Names of all episodes.
        origin: Path of the set, for the error.

    Raises:
        EpisodeError: If there is no such episode, with those that exist.
    """
    return list(dict.fromkeys(name for word in given for name in _matching(word, names, origin)))


def _matching(word: str, names: Sequence[str], origin: str) -> list[str]:
    if word in names:
        return [word]
    found = [name for name in names if name.rpartition(".")[0] == word]
    if not found and (match := NUMBERS.fullmatch(word)):
        first, last = int(match[1]), int(match[2] or match[1])
        numbers = {name: _number(name) for name in names}
        # A set may lack numbers between its first and its last.
        if last <= max(numbers.values(), default=-1):
            found = [name for name, number in numbers.items() if first <= number <= last]
    if not found:
        rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise EpisodeError(
            f"{origin} has no episode {word!r}: give a name, a number or a range of them; it has "
            f"{', '.join(names[:SHOWN])}{rest}"
        )
    return found


def _number(name: str) -> int:
    """Return the last number of a name, as 3 of `episode_000003.npz`; -1 without one."""
    digits = re.findall(r"\d+", name.removesuffix(".npz").removesuffix(".mcap"))
    return int(digits[-1]) if digits else -1
