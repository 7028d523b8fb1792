"""Names of episodes on a command line."""

import re
from collections.abc import Collection, Sequence

from dbp_ros.errors import EpisodeError

NUMBERS = re.compile(r"(\d+)(?:-(\d+))?")
SUFFIXES = re.compile(r"\.(npz|mcap|hdf5|h5|db3)$")
SHOWN = 8


def find_episodes(
    given: Sequence[str], names: Sequence[str], origin: str, discarded: Collection[str] = ()
) -> list[str]:
    """Return the names of the episodes that a user gives, without duplicates.

    Args:
        given: Names with or without the suffix of the file, numbers, or ranges such as `3-7`.
        names: Names of the episodes to choose from.
        origin: Path of the set, for the error.
        discarded: Names of discarded episodes, which ranges leave out.

    Raises:
        EpisodeError: If there is no such episode, with those that exist, it is discarded, or a
            number is given and the names differ in more than a number.
    """
    found: dict[str, None] = {}
    for word in given:
        matching = _matching(word, [*names, *discarded], origin)
        if not matching:
            rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            raise EpisodeError(
                f"{origin} has no episode {word!r}: give a name, a number or a range of them; it "
                f"has {', '.join(names[:SHOWN])}{rest}"
            )
        taken = [name for name in matching if name in names]
        if not taken:
            raise EpisodeError(
                f"{origin}: the label of {word} discards it: restore it with dbp episodes label "
                "--restore"
            )
        found.update(dict.fromkeys(taken))
    return list(found)


def _matching(word: str, names: Sequence[str], origin: str) -> list[str]:
    if word in names:
        return [word]
    if found := [name for name in names if "." in name and name.rpartition(".")[0] == word]:
        return found
    if (match := NUMBERS.fullmatch(word)) is None:
        return []
    first, last = int(match[1]), int(match[2] or match[1])
    numbers = {name: number_of(name) for name in names}
    texts = {_text_before_number(name): name for name in names}
    if len(texts) > 1:
        one, other = list(texts.values())[:2]
        raise EpisodeError(
            f"{origin}: {word} is ambiguous, as the names of the episodes differ in more than a "
            f"number, such as {one} and {other}: give whole names"
        )
    # A set may lack numbers between its first and its last.
    if last > max(numbers.values(), default=-1):
        return []
    return [name for name, number in numbers.items() if first <= number <= last]


def number_of(name: str) -> int:
    """Return the last number of a name, as 3 of `episode_000003.npz`; -1 without one."""
    digits = re.findall(r"\d+", SUFFIXES.sub("", name))
    return int(digits[-1]) if digits else -1


def _text_before_number(name: str) -> str:
    return re.split(r"\d+(?=\D*$)", SUFFIXES.sub("", name))[0]
