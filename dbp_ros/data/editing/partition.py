"""Partition of the episodes of a data set into named parts."""

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from dbp_ros.data.editing.episode_names import find_episodes
from dbp_ros.errors import EpisodeError

PART_NAME = re.compile(r"[A-Za-z0-9][\w-]*", re.ASCII)
TOLERANCE = 1e-6


def parse_parts(words: Sequence[str]) -> dict[str, str]:
    """Return the value of each part, from words such as `train=0.9`.

    Raises:
        EpisodeError: If a word has another form, or a name occurs twice.
    """
    parts: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not (sign and value and PART_NAME.fullmatch(name)):
            raise EpisodeError(
                f"part {word!r} is not valid, expected NAME=FRACTION as in train=0.9, or "
                "NAME=EPISODES as in test=0-9,12"
            )
        if name in parts:
            raise EpisodeError(f"part {name} is given twice: give each name once")
        parts[name] = value
    return parts


def partition(
    parts: Mapping[str, str],
    names: Sequence[str],
    seed: int,
    origin: str,
    discarded: Collection[str] = (),
) -> dict[str, list[int]]:
    """Return the indices of the episodes of each part, in their order.

    Args:
        parts: Fraction of the episodes, or list of episodes, by the name of the part.
        names: Names of the episodes.
        seed: Seed of the random choice by fractions.
        origin: Path of the set, for errors.
        discarded: Names of discarded episodes, which ranges leave out.

    Raises:
        EpisodeError: If fractions and lists are mixed, a value is invalid, a part has no episode,
            or an episode is in two parts.
    """
    fractions = {name: _fraction(value) for name, value in parts.items()}
    given = {name: fraction for name, fraction in fractions.items() if fraction is not None}
    if not given:
        return _by_lists(parts, names, origin, discarded)
    if len(given) < len(parts):
        listed = next(name for name in parts if name not in given)
        raise EpisodeError(
            f"part {listed} is a list of episodes and {next(iter(given))} a fraction: give "
            "fractions or lists for all parts"
        )
    return _by_fractions(given, len(names), seed)


def _fraction(value: str) -> float | None:
    """Return a number with a decimal point; None for a list of episodes."""
    try:
        return float(value) if "." in value else None
    except ValueError:
        return None


def _by_fractions(fractions: Mapping[str, float], count: int, seed: int) -> dict[str, list[int]]:
    total = sum(fractions.values())
    if not all(0 < fraction <= 1 for fraction in fractions.values()) or total > 1 + TOLERANCE:
        shown = ", ".join(f"{name}={value:g}" for name, value in fractions.items())
        raise EpisodeError(f"fractions are {shown}, expected values above 0 with a sum up to 1")
    order = np.random.default_rng(seed).permutation(count)
    ends = [round(count * end) for end in np.cumsum([0.0, *fractions.values()])]
    chosen = {
        name: sorted(int(index) for index in order[ends[place] : ends[place + 1]])
        for place, name in enumerate(fractions)
    }
    for name, indices in chosen.items():
        if not indices:
            raise EpisodeError(
                f"part {name} has no episode at {fractions[name]:g} of {count}: give a larger "
                "fraction"
            )
    return chosen


def _by_lists(
    parts: Mapping[str, str], names: Sequence[str], origin: str, discarded: Collection[str]
) -> dict[str, list[int]]:
    chosen: dict[str, list[int]] = {}
    for part, value in parts.items():
        found = find_episodes(value.split(","), names, origin, discarded)
        for other, indices in chosen.items():
            for name in found:
                if names.index(name) in indices:
                    raise EpisodeError(f"{name} is in the parts {other} and {part}: list it once")
        chosen[part] = sorted(names.index(name) for name in found)
    return chosen
