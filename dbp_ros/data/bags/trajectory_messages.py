"""Trajectories of a bag."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from dbp_ros.data.bags.action_sources import RecordedTrajectory
from dbp_ros.data.bags.joint_messages import stamp_of
from dbp_ros.errors import EpisodeError
from dbp_ros.types import NS_PER_S

# Longest time from the stamp of a trajectory to its arrival, in [s].
TRAJECTORY_DELAY_S = 5.0


def recorded_trajectories(
    received: Iterable[tuple[str, tuple[int, Any]]], joints: tuple[str, ...]
) -> Iterator[RecordedTrajectory]:
    """Yield the trajectories of the joints; one without points is left out.

    Args:
        received: Topic, arrival in [ns] and message of `trajectory_msgs/msg/JointTrajectory`.
        joints: Names of the joints, in [rad] and [m]; others are left out.

    Raises:
        EpisodeError: If a point has no position of a joint, or a stamp is far from its arrival.
    """
    for topic, (arrival_ns, message) in received:
        names = list(message.joint_names)
        columns = [column for column, name in enumerate(names) if name in joints]
        if not (columns and len(message.points)):
            continue
        stamp_ns = stamp_of(message) or arrival_ns
        if abs(stamp_ns - arrival_ns) > TRAJECTORY_DELAY_S * NS_PER_S:
            raise EpisodeError(
                f"a trajectory on {topic} is stamped {(stamp_ns - arrival_ns) / NS_PER_S:+.2f} s "
                f"from its arrival at {arrival_ns / NS_PER_S:.3f}, expected at most "
                f"{TRAJECTORY_DELAY_S:g} s: the clocks differ; use --action measured"
            )
        delays = [point.time_from_start for point in message.points]
        due_ns = [stamp_ns + int(delay.sec) * NS_PER_S + int(delay.nanosec) for delay in delays]
        positions = [np.asarray(point.positions, np.float64) for point in message.points]
        if wrong := [len(found) for found in positions if len(found) != len(names)]:
            raise EpisodeError(
                f"a trajectory on {topic} at {arrival_ns / NS_PER_S:.3f} has a point with "
                f"{wrong[0]} positions, expected {len(names)}, one for each joint, as velocities "
                "alone are not read: use --action measured"
            )
        yield RecordedTrajectory(
            arrival_ns,
            np.array([joints.index(names[column]) for column in columns], np.int64),
            np.array(due_ns, np.int64),
            np.array(positions)[:, columns],
        )
