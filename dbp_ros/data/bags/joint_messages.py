"""Joint states of a bag, merged from all drivers as on the robot."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from dbp_ros.errors import EpisodeError, ObservationError
from dbp_ros.sensing.joint_states import JointLayout, JointReadings, JointStateMerger, JointStates
from dbp_ros.types import NS_PER_S, seconds_to_ns


def stamp_of(message: Any) -> int:
    """Return the stamp in the header of a message in [ns]."""
    return int(message.header.stamp.sec) * NS_PER_S + int(message.header.stamp.nanosec)


def joint_readings(
    messages: Iterable[tuple[int, Any]], joints: tuple[str, ...]
) -> Iterator[tuple[int, JointReadings]]:
    """Yield arrival and positions of the messages with some of the joints.

    A malformed message is dropped, as it is by the policy.
    """
    layouts: dict[tuple[str, ...], JointLayout] = {}
    for arrival_ns, message in messages:
        names = tuple(message.name)
        if names not in layouts:
            layouts[names] = JointLayout(names, joints)
        try:
            readings = layouts[names].readings(np.asarray(message.position), stamp_of(message))
        except ObservationError:
            continue
        if readings is not None:
            yield arrival_ns, readings


def merged_joint_states(
    messages: Iterable[tuple[int, Any]], joints: tuple[str, ...]
) -> Iterator[tuple[int, JointStates]]:
    """Yield arrival and positions of all joints, merged from all drivers as in the policy."""
    merger = JointStateMerger(joints)
    for arrival_ns, readings in joint_readings(messages, joints):
        states = merger.add(readings, arrival_ns)
        if states is not None:
            yield arrival_ns, states


def newest_joint_states(
    messages: Iterable[tuple[int, Any]], joints: tuple[str, ...], gap_s: float
) -> Iterator[tuple[int, JointStates]]:
    """Yield arrival and newest positions of all joints after each message, once all are known.

    Unlike in `merged_joint_states`, a slow driver does not delay the positions of the others.

    Args:
        messages: Arrival and message, in order of arrival.
        joints: Names of the joints.
        gap_s: Longest time between two messages with a joint, in [s].

    Raises:
        EpisodeError: If there are no messages with a joint for longer.
    """
    merger = JointStateMerger(joints)
    for arrival_ns, readings in joint_readings(messages, joints):
        if stale := merger.stale(arrival_ns, seconds_to_ns(gap_s)):
            raise EpisodeError(
                f"no joint state of {', '.join(stale)} for {gap_s:g} s before "
                f"{arrival_ns / NS_PER_S:.3f}, while other joints have some: let the driver "
                "publish all the time, or give a robot without these joints with --robot"
            )
        merger.add(readings, arrival_ns)
        states = merger.latest()
        if states is not None:
            yield arrival_ns, states
