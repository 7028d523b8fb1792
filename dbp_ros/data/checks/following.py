"""Lag of the state behind the action, and joints that do not follow their action."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dbp_ros.data.checks.finding import EpisodeFinding
from dbp_ros.data.episode import Episode
from dbp_ros.data.units import BY_NAME, METRES, RADIANS, ColumnUnits
from dbp_ros.types import Array, Floats, Indices

# Longest lag that is searched in both directions, in [s], and as a share of the episode.
SEARCHED_S, SEARCHED_SHARE = 0.5, 0.25
MIN_ROWS = 12
# Range from which a commanded column counts as moving, by its unit; for an unknown unit the share
# of the largest range.
MOVING = {RADIANS: 0.1, METRES: 0.01}
MOVING_SHARE = 0.1
# Correlation with the action, at the best lag, below which a joint does not follow.
MIN_CORRELATION = 0.5
# An action is a change of the state if its mean distance from that is below this share of its mean
# distance from the state.
CHANGE_SHARE = 0.25


@dataclass(frozen=True)
class Following:
    """Measures of how the joints of an episode follow their actions.

    Attributes:
        lag: Lag of the state behind the action in steps, negative if it leads; None if no joint
            moves or follows.
        correlations: Correlation of each moving joint at its best lag.
    """

    lag: float | None
    correlations: dict[str, float]


def measure_following(episode: Episode, units: ColumnUnits = BY_NAME) -> Following:
    """Compare the columns that state and action share, over a range of lags."""
    longest = int(min(SEARCHED_S / episode.step_s, SEARCHED_SHARE * len(episode)))
    if longest < 1 or len(episode) - 2 * longest < MIN_ROWS:
        return Following(None, {})
    curves: list[Array] = []
    correlations = {}
    for joint in moving_joints(episode, units):
        action = episode.actions[:, episode.action_names.index(joint)].astype(np.float64)
        state = episode.states[:, episode.state_names.index(joint)].astype(np.float64)
        curve, correlation = _compare(action, state, longest)
        correlations[joint] = correlation
        if correlation >= MIN_CORRELATION:
            curves.append(curve)
    lag = _minimum(np.mean(curves, axis=0)) - longest if curves else None
    return Following(lag, correlations)


def changes_as_actions(
    states: Floats,
    actions: Floats,
    names: tuple[Sequence[str], Sequence[str]],
    episode: Indices,
    units: ColumnUnits = BY_NAME,
) -> list[str]:
    """Return the arm joints whose actions are the changes of their state, not positions.

    They are in more than half of the episodes in which the joint moves, so that one damaged episode
    does not count. Columns of grippers are left out: a target beyond an object looks the same.

    Args:
        states: Shape (rows, states).
        actions: Shape (rows, actions).
        names: Names of the columns of both.
        episode: Number of the episode of each row. Shape (rows,).
        units: Units of the columns.
    """
    starts = np.flatnonzero(np.diff(episode)) + 1
    parts = [rows for rows in np.split(np.arange(len(episode)), starts) if len(rows) > MIN_ROWS]
    found = []
    for column, joint in enumerate(names[1]):
        if units.of(joint) != RADIANS or units.is_gripper(joint) or joint not in names[0]:
            continue
        state, action = states[:, names[0].index(joint)], actions[:, column]
        moving = [rows for rows in parts if np.ptp(state[rows]) > MOVING[RADIANS]]
        changes = sum(_is_change(action[rows], state[rows]) for rows in moving)
        if changes > len(moving) / 2:
            found.append(joint)
    return found


def _is_change(action: Floats, state: Floats) -> bool:
    """Return whether an action is closer to the change of a state than to the state."""
    from_change = np.abs(action[:-1] - np.diff(state)).mean()
    return bool(from_change < CHANGE_SHARE * np.abs(action - state).mean())


def moving_joints(episode: Episode, units: ColumnUnits) -> list[str]:
    """Return the joints in state and action whose action moves."""
    ranges = np.ptp(episode.actions, axis=0) if len(episode) else np.zeros(0)
    least = {joint: MOVING.get(units.of(joint)) for joint in episode.action_names}
    unknown = MOVING_SHARE * float(ranges.max(initial=0.0))
    return [
        joint
        for joint, moved in zip(episode.action_names, ranges, strict=False)
        if joint in episode.state_names and moved > (least[joint] or unknown)
    ]


def _compare(action: Array, state: Array, longest: int) -> tuple[Array, float]:
    """Return the relative variance of state - action by lag, and the best correlation.

    All lags are compared over the same rows of the action.

    Returns:
        Curve for the lags from `-longest` to `longest`, and the correlation.
    """
    rows = slice(longest, len(action) - longest)
    windows = np.lib.stride_tricks.sliding_window_view(state, len(action) - 2 * longest)
    curve: Array = (windows - action[rows]).var(axis=1) / max(float(action[rows].var()), 1e-12)
    centred = windows - windows.mean(axis=1, keepdims=True)
    target = action[rows] - action[rows].mean()
    scale = np.linalg.norm(centred, axis=1) * np.linalg.norm(target)
    correlation = centred @ target / np.maximum(scale, 1e-12)
    return curve, float(correlation.max())


def _minimum(curve: Array) -> float:
    """Return the index of the minimum, between the points by a parabola."""
    best = int(curve.argmin())
    if not 0 < best < len(curve) - 1:
        return float(best)
    left, middle, right = curve[best - 1 : best + 2]
    curvature = left - 2 * middle + right
    return best + float((left - right) / (2 * curvature)) if curvature > 0 else float(best)


def check_following(name: str, following: Following) -> Iterator[EpisodeFinding]:
    """Find joints that do not follow their action at any lag."""
    for joint, correlation in following.correlations.items():
        if correlation < MIN_CORRELATION:
            yield EpisodeFinding(
                "error",
                name,
                joint,
                "the state does not follow the action",
                "check that the columns belong together and that actions are absolute positions; "
                "if the joint was blocked or disabled, discard the episode",
                f"correlation {correlation:.2f}",
            )
