"""Checks that compare the episodes of a set: columns, lengths, outcomes, motion and lag."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dbp_ros.data.checks.finding import EpisodeFinding
from dbp_ros.data.checks.following import Following
from dbp_ros.data.episode import Episode
from dbp_ros.data.spec import CONSTANT_BELOW, SetSpec, differences, spec_of
from dbp_ros.types import Floats

# An episode is too short or too long beyond this factor of the median.
LENGTH_FACTOR = 3.0
# Lag beyond which the state follows late, in [s]; lag below which it does not follow, in steps.
LATE_S, LEAST_LAG = 0.3, 0.5
# Deviation from the median lag of the set, in steps.
LAG_TOLERANCE = 2.0


@dataclass(frozen=True)
class EpisodeSummary:
    """Summary of one episode for the comparison of all.

    Attributes:
        name: Name of the episode.
        spec: Columns, step and cameras.
        steps: Number of steps.
        termination_reason: Of the episode.
        outcome: Of the episode.
        low: Smallest state and action by column. Shape (ns + nu,).
        high: Largest state and action by column. Shape (ns + nu,).
        following: How the joints follow their actions.
    """

    name: str
    spec: SetSpec
    steps: int
    termination_reason: str
    outcome: str
    low: Floats
    high: Floats
    following: Following


def summarise(name: str, episode: Episode, following: Following) -> EpisodeSummary:
    """Return the summary of an episode with at least one step."""
    table = np.concatenate([episode.states, episode.actions], axis=1)
    return EpisodeSummary(
        name=name,
        spec=spec_of(episode),
        steps=len(episode),
        termination_reason=episode.termination_reason,
        outcome=episode.outcome,
        low=table.min(axis=0),
        high=table.max(axis=0),
        following=following,
    )


def compare(episodes: Sequence[EpisodeSummary]) -> Iterator[EpisodeFinding]:
    """Find episodes unlike the others, unknown outcomes, columns that never move, and the lag."""
    if not episodes:
        return
    yield from _specs(episodes)
    yield from _lengths(episodes)
    yield from _outcomes(episodes)
    alike = [one for one in episodes if not differences(episodes[0].spec, one.spec)]
    yield from _still_columns(alike)
    yield from _lags(alike)


def _specs(episodes: Sequence[EpisodeSummary]) -> Iterator[EpisodeFinding]:
    first = episodes[0]
    for one in episodes[1:]:
        for field, difference in differences(first.spec, one.spec).items():
            yield EpisodeFinding(
                "error",
                one.name,
                field,
                f"{difference}, unlike {first.name}",
                "keep different episodes in separate folders, or discard it",
            )


def _lengths(episodes: Sequence[EpisodeSummary]) -> Iterator[EpisodeFinding]:
    median = float(np.median([one.steps for one in episodes]))
    for one in episodes:
        if not median / LENGTH_FACTOR <= one.steps <= median * LENGTH_FACTOR:
            kind = "short" if one.steps < median else "long"
            yield EpisodeFinding(
                "warning",
                one.name,
                "length",
                f"the episode is unusually {kind}: the median of the set is {median:g} steps",
                "look at it with dbp episodes show, and trim or discard it",
                f"{one.steps} steps",
            )


def _outcomes(episodes: Sequence[EpisodeSummary]) -> Iterator[EpisodeFinding]:
    for one in episodes:
        # Readers mark a demonstration without a recorded outcome in this way.
        unknown = (one.outcome, one.termination_reason) == ("success", "operator")
        cut_off = one.termination_reason == "cut_off"
        if unknown or cut_off:
            yield EpisodeFinding(
                "warning",
                one.name,
                "outcome",
                "the recording was cut off" if cut_off else "no outcome is recorded",
                "look at it with dbp episodes show, and set it with dbp episodes label --outcome",
                one.outcome,
            )


def _still_columns(episodes: Sequence[EpisodeSummary]) -> Iterator[EpisodeFinding]:
    low = np.min([one.low for one in episodes], axis=0)
    high = np.max([one.high for one in episodes], axis=0)
    spec = episodes[0].spec
    names = [(name, "state") for name in spec.states] + [(name, "action") for name in spec.actions]
    for (name, side), lowest, highest in zip(names, low, high, strict=True):
        if highest - lowest <= CONSTANT_BELOW:
            yield EpisodeFinding(
                "warning",
                "",
                name,
                f"the {side} has the same value in every step of every episode",
                "check that the joint is connected, leave the column out, or train with "
                "--allow-constant-actions",
                f"{lowest:.4g}",
            )


def _lags(episodes: Sequence[EpisodeSummary]) -> Iterator[EpisodeFinding]:
    lags = {one.name: one.following.lag for one in episodes if one.following.lag is not None}
    spec = episodes[0].spec
    if not lags:
        shared = set(spec.states) & set(spec.actions)
        reason = "no shared joint moves for long enough" if shared else "they share no column"
        yield EpisodeFinding("note", "", "lag", f"not measured from action to state: {reason}")
        return
    median = float(np.median(list(lags.values())))
    yield _lag_finding(median, spec.step_s)
    for name, lag in lags.items():
        if abs(lag - median) > LAG_TOLERANCE:
            yield EpisodeFinding(
                "warning",
                name,
                "lag",
                f"the state follows the action by another lag than the median {median:.1f} steps",
                "check the clocks of the recording, or discard the episode",
                f"{lag:.1f} steps",
            )


def _lag_finding(lag: float, step_s: float) -> EpisodeFinding:
    value = f"{lag:.1f} steps"
    late = lag * step_s > LATE_S
    if not late and lag >= LEAST_LAG:
        sentence = f"the state follows the action after {1e3 * lag * step_s:.0f} ms"
        return EpisodeFinding("note", "", "lag", sentence, value=value)
    if late:
        sentence = f"the state follows the action late, by {lag * step_s:.2f} s"
        fix = "check the delay of the robot and the clocks of the recording"
    else:
        sentence = "the state reaches the action in the same step or before it"
        fix = "record the command for the end of a step, or shift the actions by one step"
    return EpisodeFinding("warning", "", "lag", sentence, fix, value)
