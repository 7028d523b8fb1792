"""Streams of a recording: positions, actions and the arrivals of images, on the recorder's clock.

A value is in effect from its arrival on, as for a policy that ran at that time. In recordings of
this package the positions change once per round of the drivers, as in the policy; in others they
change with each message, so that a slow gripper does not freeze the arms.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dbp_ros.data.bags.action_sources import (
    ActionSource,
    HeldCommands,
    MeasuredPositions,
    PartialCommand,
    Trajectories,
)
from dbp_ros.data.bags.bag_labels import BagLabels, read_labels
from dbp_ros.data.bags.bag_summary import BagSummary
from dbp_ros.data.bags.bag_topics import BagTopics
from dbp_ros.data.bags.joint_messages import (
    joint_readings,
    merged_joint_states,
    newest_joint_states,
    stamp_of,
)
from dbp_ros.data.bags.rosbag import Rosbag
from dbp_ros.data.bags.stamp_checks import IMAGE_GAP_S, JOINT_STATE_GAP_S, check_stamps
from dbp_ros.data.bags.stamped_series import StampedSeries
from dbp_ros.data.bags.trajectory_messages import recorded_trajectories
from dbp_ros.errors import EpisodeError
from dbp_ros.types import Array

# Longest time between two messages of a topic as a multiple of the step that a bag states.
GAP_STEPS = 1.5

Messages = list[tuple[int, Any]]


@dataclass(frozen=True)
class BagStreams:
    """Streams of a recording by time of arrival.

    Attributes:
        joints: Names of the columns of positions and actions.
        positions: Of all joints, in [rad] and [m]. Values of shape (nu,).
        actions: Commands of the same joints.
        image_arrivals_ns: Arrival of each image of each selected camera, in order.
        start_ns: Time from which on all joints and all cameras, selected or not, have a value.
        labels: Rewards, success and interventions.
    """

    joints: tuple[str, ...]
    positions: StampedSeries[Array]
    actions: ActionSource
    image_arrivals_ns: Mapping[str, list[int]]
    start_ns: int
    labels: BagLabels


@dataclass
class _Times:
    """Arrivals and stamps of the messages of one topic."""

    arrivals_ns: list[int] = field(default_factory=list)
    stamps_ns: list[int] = field(default_factory=list)


def read_streams(bag: Rosbag, topics: BagTopics, summary: BagSummary | None) -> BagStreams:
    """Read everything except pixels.

    Args:
        bag: The recording.
        topics: Role of each topic.
        summary: Content of a bag of this package; None for a recording of another recorder.

    Raises:
        EpisodeError: If a joint or its command is missing or ambiguous, a topic has a gap, or a
            clock stepped.
    """
    labels = {topics.intervention, topics.reward, topics.success}
    numbers = (*topics.states, *topics.actions, *labels)
    messages: dict[str, Messages] = {topic: [] for topic in numbers}
    times: dict[str, _Times] = {topic: _Times() for topic in topics.read}
    for message in bag.messages(topics.read):
        times[message.topic].arrivals_ns.append(message.arrival_ns)
        if hasattr(message.value, "header"):
            times[message.topic].stamps_ns.append(stamp_of(message.value))
        if message.topic in messages:
            messages[message.topic].append((message.arrival_ns, message.value))
    joints = topics.joints or _joints_of(messages, topics.states)
    states = _topics_of(messages, topics.states, joints)
    step_s = (summary.step_s if summary else None) or 0.0
    _check_times(states, topics.cameras.values(), times, GAP_STEPS * step_s)
    received = _in_order(messages[topic] for topic in states)
    merged = (
        newest_joint_states(received, joints, JOINT_STATE_GAP_S)
        if summary is None
        else merged_joint_states(received, joints)
    )
    positions = StampedSeries((ns, found.positions) for ns, found in merged)
    if not positions.values:
        raise _without_positions(topics.states, joints, _joints_of(messages, topics.states))
    return BagStreams(
        joints=joints,
        positions=positions,
        actions=_actions(topics, messages, joints, positions),
        image_arrivals_ns={
            camera: times[topic].arrivals_ns for camera, topic in topics.cameras.items()
        },
        start_ns=max([positions.stamps_ns[0], *_first_images_ns(bag, topics)]),
        labels=read_labels(messages, topics),
    )


def _first_images_ns(bag: Rosbag, topics: BagTopics) -> list[int]:
    """Return the arrival of the first image of each camera, selected or not."""
    cameras = {*topics.cameras.values(), *topics.recorded_cameras.values()}
    return [next(bag.messages((topic,))).arrival_ns for topic in cameras]


def _without_positions(
    states: Iterable[str], joints: Sequence[str], found: Sequence[str]
) -> EpisodeError:
    """Return the error of joint states that never give the positions of all joints.

    Args:
        states: Topics of the joint states.
        joints: Joints that are needed.
        found: Joints that the messages name.
    """
    lacking = [joint for joint in joints if joint not in found]
    fix = "record all joint states, or correct the names"
    if not lacking:
        fix = "the messages lack positions of some joints, let their drivers publish them"
    return EpisodeError(
        f"no valid positions of {', '.join(lacking or joints)} on {' and '.join(states)}, which "
        f"name {', '.join(found)}: {fix}"
    )


def _check_times(
    states: Collection[str],
    cameras: Collection[str],
    times: Mapping[str, _Times],
    allowed_gap_s: float,
) -> None:
    """Check gaps and clocks of the joint states and cameras.

    Args:
        states: Topics of joint states.
        cameras: Topics of cameras.
        times: Arrivals and stamps by topic.
        allowed_gap_s: Time between two messages that is no gap in any case, in [s].
    """
    required = [topic for topic in (*states, *cameras) if times[topic].arrivals_ns]
    end_ns = max((times[topic].arrivals_ns[-1] for topic in required), default=0)
    for topic in required:
        gap_s = JOINT_STATE_GAP_S if topic in states else IMAGE_GAP_S
        gap_s = max(gap_s, allowed_gap_s)
        check_stamps(topic, times[topic].arrivals_ns, times[topic].stamps_ns, gap_s, end_ns)


def _joints_of(messages: Mapping[str, Messages], states: Iterable[str]) -> tuple[str, ...]:
    """Return all joints that joint states name, by topic and in order of appearance."""
    named = (name for topic in states for _, value in messages[topic] for name in value.name)
    return tuple(dict.fromkeys(named))


def _topics_of(
    messages: Mapping[str, Messages], states: Iterable[str], joints: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the topics of joint states that name any of the joints.

    Raises:
        EpisodeError: If several topics name a joint.
    """
    topic_of: dict[str, str] = {}
    for topic in states:
        for name in _joints_of(messages, (topic,)):
            other = topic_of.setdefault(name, topic) if name in joints else topic
            if other != topic:
                raise EpisodeError(
                    f"{name} is on {other} and on {topic}: choose the topics of the state with "
                    "--state, such as that of the following arm"
                )
    return tuple(dict.fromkeys(topic_of.values()))


def _in_order(parts: Iterable[Messages]) -> Messages:
    return sorted((one for part in parts for one in part), key=lambda message: message[0])


def _actions(
    topics: BagTopics,
    messages: Mapping[str, Messages],
    joints: tuple[str, ...],
    positions: StampedSeries[Array],
) -> ActionSource:
    if topics.action == "measured":
        return MeasuredPositions(positions)
    received = [(topic, one) for topic in topics.actions for one in messages[topic]]
    received.sort(key=lambda message: message[1][0])
    source: ActionSource
    if topics.action == "commands":
        source = HeldCommands(joints, _commands(received, topics.actions, joints))
    elif topics.action == "joint_states":
        readings = joint_readings((one for _, one in received), joints)
        source = HeldCommands(
            joints, (PartialCommand(ns, one.indices, one.positions) for ns, one in readings)
        )
    else:
        source = Trajectories(joints, recorded_trajectories(received, joints))
    if source.missing:
        raise EpisodeError(
            f"no command of {', '.join(source.missing)} on {' and '.join(topics.actions)}: record "
            "the commands of all joints, or use the positions one step later with --action measured"
        )
    return source


def _commands(
    received: Iterable[tuple[str, tuple[int, Any]]],
    actions: Mapping[str, tuple[str, ...]],
    joints: tuple[str, ...],
) -> Iterator[PartialCommand]:
    """Yield the commands of controllers; joints that are not in `joints` are left out."""
    for topic, (arrival_ns, message) in received:
        names, data = actions[topic], np.asarray(message.data, np.float64)
        if len(data) != len(names):
            raise EpisodeError(
                f"a command on {topic} has {len(data)} values, expected {len(names)}: "
                f"{', '.join(names)}"
            )
        chosen = [name in joints for name in names]
        indices = [joints.index(name) for name in names if name in joints]
        yield PartialCommand(arrival_ns, np.array(indices, np.int64), data[chosen])
