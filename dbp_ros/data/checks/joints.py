"""Checks of joint values: jumps, and values beyond the limits of a robot."""

from collections.abc import Iterator

import numpy as np

from dbp_ros.data.checks.finding import EpisodeFinding
from dbp_ros.data.episode import Episode
from dbp_ros.data.labelled_episodes import elapsed_s
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.types import Array, Floats

# A measured velocity above this multiple of a joint's limit is a jump.
VELOCITY_FACTOR = 1.5
# Without a robot: a jump exceeds this multiple of the 95th percentile of a column's steps, and
# this share of its range.
STEP_FACTOR, RANGE_SHARE = 8.0, 0.2
# A column with fewer values, such as an open or closed gripper, may change at once.
MIN_VALUES = 4
# Distance from a full turn at which a jump is a wrapped angle, in [rad].
WRAP_TOLERANCE_RAD = 0.5
# Share of a joint's range by which measurements may exceed it.
STATE_MARGIN, ACTION_MARGIN = 0.01, 1e-3


def check_jumps(
    name: str, episode: Episode, robot: RobotDescription | None = None
) -> Iterator[EpisodeFinding]:
    """Find joints that move faster between two steps than is plausible.

    Args:
        name: Name of the episode.
        episode: The episode, mapped to the robot if there is one.
        robot: Robot whose velocity limits hold; None for the statistics of each column.
    """
    if len(episode) < 3:
        return
    times_s = elapsed_s(episode)
    # A missing row is a fault of the stamps, not a jump.
    steps = np.maximum(np.rint(np.diff(times_s) / episode.step_s), 1.0)
    for column, joint in enumerate(episode.state_names):
        values = episode.states[:, column]
        motion = np.abs(np.diff(values.astype(np.float64))) / steps
        largest = int(motion.argmax())
        if motion[largest] <= _plausible(values, motion, joint, robot, episode.step_s):
            continue
        change = float(values[largest + 1] - values[largest])
        turned = abs(abs(change) - 2 * np.pi) < WRAP_TOLERANCE_RAD
        yield EpisodeFinding(
            "error",
            name,
            joint,
            f"the state jumps from {values[largest]:.4g} to {values[largest + 1]:.4g} in a step",
            "the angle wraps: unwrap it in the data"
            if turned
            else "check the encoder and the driver, and trim the episode or discard it",
            f"{motion[largest] / episode.step_s:.3g} per s",
            float(times_s[largest]),
        )


def _plausible(
    values: Floats, motion: Array, joint: str, robot: RobotDescription | None, step_s: float
) -> float:
    """Return the largest plausible motion of a column in one step."""
    if robot is not None and joint in robot.joint_limits:
        return VELOCITY_FACTOR * robot.joint_limits[joint].max_velocity * step_s
    if len(np.unique(values)) < MIN_VALUES:
        return float("inf")
    usual = float(np.percentile(motion, 95))
    return max(STEP_FACTOR * usual, RANGE_SHARE * float(np.ptp(values)))


def check_limits(name: str, episode: Episode, robot: RobotDescription) -> Iterator[EpisodeFinding]:
    """Find states and actions beyond the position limits of a robot.

    Args:
        name: Name of the episode.
        episode: The episode, mapped to the robot.
        robot: Robot whose limits hold.
    """
    sides = (
        ("state", episode.state_names, episode.states, STATE_MARGIN),
        ("action", episode.action_names, episode.actions, ACTION_MARGIN),
    )
    for side, names, table, share in sides:
        for column, joint in enumerate(names):
            if joint in robot.joint_limits:
                limits = robot.joint_limits[joint]
                bounds = limits.min_position, limits.max_position
                found = _beyond(table[:, column], bounds, share * (bounds[1] - bounds[0]))
                if found is not None:
                    yield EpisodeFinding(
                        "error",
                        name,
                        joint,
                        f"the {side} is beyond the limits {bounds[0]:g} to {bounds[1]:g} of "
                        f"{robot.name}",
                        "correct unit, sign or limits in the description of the robot, or trim "
                        "the episode",
                        f"{table[found, column]:.4g}",
                        float(elapsed_s(episode)[found]),
                    )


def _beyond(values: Floats, bounds: tuple[float, float], margin: float) -> int | None:
    """Return the row of the value that is farthest beyond the bounds; None if all are within."""
    excess = np.maximum(bounds[0] - values, values - bounds[1])
    row = int(excess.argmax())
    return row if excess[row] > margin else None
