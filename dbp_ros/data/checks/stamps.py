"""Checks of time stamps: dropped frames, clock steps and rates."""

from collections.abc import Iterator

import numpy as np

from dbp_ros.data.checks.finding import EpisodeFinding
from dbp_ros.data.episode import Episode
from dbp_ros.data.labelled_episodes import elapsed_s
from dbp_ros.data.row_stamps import RATE_TOLERANCE
from dbp_ros.types import NS_PER_S, Array, Flags, Indices

# An interval of more than this many steps misses a row.
LONG_STEPS = 1.5
# The motion across a long interval distinguishes a clock step from missing rows: rows before and
# after it that measure the speed, and the share of the expected motion below which no time passed.
SPEED_ROWS, MOTION_SHARE = 3, 0.5
# Intervals of fewer steps are too short to distinguish the two causes.
MIN_CLOCK_STEPS = 3.0


def check_stamps(name: str, episode: Episode) -> Iterator[EpisodeFinding]:
    """Find clocks that run backwards or step, missing rows, and another rate than `step_s`."""
    if len(episode) < 2:
        return
    intervals_s, times_s = np.diff(episode.stamps_ns) / NS_PER_S, elapsed_s(episode)
    yield from _backwards(name, intervals_s, times_s)
    (long,) = np.nonzero(intervals_s > LONG_STEPS * episode.step_s)
    stepped = _without_motion(episode, intervals_s, long)
    yield from _clock_steps(name, intervals_s, times_s, long[stepped])
    yield from _missing_rows(name, episode, intervals_s, long[~stepped])
    yield from _rate(name, episode, intervals_s)


def _backwards(name: str, intervals_s: Array, times_s: Array) -> Iterator[EpisodeFinding]:
    (rows,) = np.nonzero(intervals_s <= 0)
    if len(rows):
        worst = float(intervals_s[rows].min())
        yield EpisodeFinding(
            "error",
            name,
            "stamps",
            f"the time does not increase after {len(rows)} of {len(times_s)} steps",
            "synchronise the clocks of the sources, and trim the episode or discard it",
            f"{worst:.4f} s",
            float(times_s[rows[0]]),
        )


def _without_motion(episode: Episode, intervals_s: Array, rows: Indices) -> Flags:
    """Return whether the joints move by less than the time after each row demands."""
    motion = np.abs(np.diff(episode.states, axis=0)).max(axis=1, initial=0.0)
    regular = intervals_s <= LONG_STEPS * episode.step_s
    stepped = np.zeros(len(rows), bool)
    for index, row in enumerate(rows):
        around = slice(max(0, row - SPEED_ROWS), row + 1 + SPEED_ROWS)
        steps = motion[around][regular[around]]
        expected = intervals_s[row] / episode.step_s
        if len(steps) and np.median(steps) > 0 and expected >= MIN_CLOCK_STEPS:
            stepped[index] = motion[row] < MOTION_SHARE * expected * np.median(steps)
    return stepped


def _clock_steps(
    name: str, intervals_s: Array, times_s: Array, rows: Indices
) -> Iterator[EpisodeFinding]:
    for row in rows:
        yield EpisodeFinding(
            "error",
            name,
            "stamps",
            "the clock steps forward: the joints move on as if no time had passed",
            "use one clock that is adjusted without steps, and trim the episode to one side",
            f"{intervals_s[row]:.4f} s",
            float(times_s[row]),
        )


def _missing_rows(
    name: str, episode: Episode, intervals_s: Array, rows: Indices
) -> Iterator[EpisodeFinding]:
    if not len(rows):
        return
    count = int(np.rint(intervals_s[rows] / episode.step_s - 1).sum())
    longest = rows[int(np.argmax(intervals_s[rows]))]
    yield EpisodeFinding(
        "error",
        name,
        "stamps",
        f"{count} rows are missing, the longest gap of {len(rows)} is at this time",
        "check disk and network of the recording computer, and trim the episode or discard it",
        f"{intervals_s[longest]:.4f} s",
        float(elapsed_s(episode)[longest]),
    )


def _rate(name: str, episode: Episode, intervals_s: Array) -> Iterator[EpisodeFinding]:
    median_s = float(np.median(intervals_s))
    if abs(median_s / episode.step_s - 1) > RATE_TOLERANCE and median_s > 0:
        yield EpisodeFinding(
            "error",
            name,
            "stamps",
            f"rows are {median_s:.4f} s apart, but the step of the set is {episode.step_s:.4f} s",
            "convert the set with the rate of its stamps",
            f"{median_s:.4f} s",
        )
