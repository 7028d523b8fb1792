"""Time between two rows of a foreign format: from its timestamps, stored, given or assumed."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.data.episode import Episode
from dbp_ros.errors import EpisodeError
from dbp_ros.types import NS_PER_S

# Longer steps are no recording of a robot, but timestamps in [ms] or [ns].
LONGEST_STEP_S = 2.0
# Largest relative difference between a given and a stored step, as rates are rounded.
STEP_TOLERANCE = 0.01
# Share by which the median interval of an episode may differ from its step, because of jitter.
RATE_TOLERANCE = 0.05


def step_of_stamps(key: str, stamps: NDArray[Any]) -> float:
    """Return the median time between two rows, in [s].

    Args:
        key: Key of the timestamps, for errors.
        stamps: Timestamps of at least two rows. Shape (steps,) or (steps, 1).

    Raises:
        EpisodeError: If the timestamps do not increase, or cannot be in [s].
    """
    step_s = float(np.median(np.diff(stamps.reshape(-1))))
    if 0 < step_s <= LONGEST_STEP_S:
        return step_s
    raise EpisodeError(
        f"{key} advances by {step_s:g} per row, expected seconds above 0 and at most "
        f"{LONGEST_STEP_S:g}, as it may be in milliseconds or nanoseconds: replace it with "
        "--step-s, such as --step-s 0.05 for 20 Hz"
    )


def with_own_step(episode: Episode) -> Episode:
    """Return an episode with the step of its own timestamps, if they have another rate.

    The step of a set is that of its first episode, so that an episode of another rate differs.
    """
    if len(episode) < 2:
        return episode
    step_s = float(np.median(np.diff(episode.stamps_ns))) / NS_PER_S
    is_same = abs(step_s / episode.step_s - 1) <= RATE_TOLERANCE
    return episode if is_same else replace(episode, step_s=step_s)


def stored_step(stored_s: float, given_s: float | None) -> float:
    """Return the step that a data set stores, in [s].

    Args:
        stored_s: Step of the data set, in [s].
        given_s: Step of the selection, in [s]; None if it gives none.

    Raises:
        EpisodeError: If the two differ.
    """
    if given_s is None or abs(given_s / stored_s - 1) <= STEP_TOLERANCE:
        return stored_s
    raise EpisodeError(
        f"step_s is {given_s:g}, and the data set stores a step of {stored_s:.4g} s: leave it out, "
        "or correct the rate of the data set"
    )


def assumed_rate(step_s: float) -> str:
    """Return the sentence on a rate that a data set does not store."""
    return (
        f"rate: {1 / step_s:g} Hz is assumed, as the data set stores none; give the time between "
        "two rows with --step-s"
    )
