"""Export of episodes as bags of rosbag2: one MCAP file per episode.

A message arrives at the nominal time of its row: the stamp of the first row plus a multiple of
the step. The stamp in its header is the measured one. Action and reward of a row arrive one step
later, when they take effect.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dbp_ros.data.bags.bag import BagWriter, EpisodeEnd
from dbp_ros.data.bags.bag_summary import COMMAND, IMAGE, JOINT_COMMANDS, JOINT_STATES
from dbp_ros.data.bags.bag_topics import RobotTopics
from dbp_ros.data.bags.export_messages import (
    commands_message,
    image_message,
    intervention_message,
    joint_state_message,
    reward_message,
)
from dbp_ros.data.bags.export_topics import bag_metadata, bag_topics, robot_topics
from dbp_ros.data.bags.interventions import INTERVENTION
from dbp_ros.data.bags.rewards import REWARD
from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.data.exports import EXPORTED_BAG, McapExport, Report
from dbp_ros.data.spec import spec_of
from dbp_ros.data.uniform_episodes import uniform_episodes
from dbp_ros.errors import EpisodeError
from dbp_ros.files import atomic_folder
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.types import NS_PER_S, seconds_to_ns

# Stamps of ROS have 32 bits for the seconds.
MAX_STAMP_NS = (2**31 - 1) * NS_PER_S
# Role and serialised message.
Message = tuple[str, bytes]


def write_bags(
    episodes: EpisodeSet,
    directory: Path,
    config: McapExport,
    robot: RobotDescription | None = None,
    report: Report = lambda written: None,
) -> None:
    """Write a set as a folder of bags, which replaces an older folder when complete.

    Args:
        episodes: The set.
        directory: Folder to write.
        config: How bags are stored.
        robot: Robot whose joints the states and actions are; None to write the commands as joint
            states.
        report: Called with the number of episodes written.

    Raises:
        EpisodeError: If an episode is damaged or differs from the first, or cannot be a bag.
    """
    with atomic_folder(directory) as folder:
        for index, episode in enumerate(uniform_episodes(episodes)):
            path = folder / EXPORTED_BAG.format(index)
            try:
                write_exported_bag(path, episode, config.compression, robot)
            except EpisodeError as error:
                name = episodes.names[index]
                raise EpisodeError(f"{episodes.origin}, {name}: {error}") from error
            report(index + 1)


def write_exported_bag(
    path: Path, episode: Episode, compression: str, robot: RobotDescription | None
) -> None:
    """Write one episode as a bag.

    Args:
        path: File to write.
        episode: The episode.
        compression: Of the bag; see `BagWriter`.
        robot: See `write_bags`.

    Raises:
        EpisodeError: If the episode has point clouds, two cameras get the same topic, or a stamp
            cannot be one of ROS.
    """
    if episode.points:
        raise EpisodeError(
            f"the point clouds {', '.join(episode.points)} cannot be stored in bags: leave them "
            "out with --points and no key, or use another format"
        )
    arrivals_ns = _arrivals(episode)
    topics = robot_topics(spec_of(episode), robot)
    roles = bag_topics(topics, episode.interventions is not None)
    metadata = bag_metadata(episode, topics, robot.name if robot else "")
    writer = BagWriter(path, roles, metadata, compression)
    try:
        for row, arrival_ns in enumerate(arrivals_ns):
            for role, data in _messages(episode, row, topics, arrival_ns):
                writer.write(role, data, arrival_ns)
        writer.close(EpisodeEnd(episode.outcome, episode.termination_reason, arrivals_ns[-1]))
    except BaseException:
        writer.abandon()
        raise


def _arrivals(episode: Episode) -> list[int]:
    """Return the nominal time of each row in [ns], and of the end of the last one."""
    start_ns, steps = int(episode.stamps_ns[0]), len(episode)
    step_ns = seconds_to_ns(episode.step_s)
    arrivals_ns = [start_ns + row * step_ns for row in range(steps + 1)]
    first_ns = min(start_ns, int(episode.stamps_ns.min()))
    last_ns = max(arrivals_ns[-1], int(episode.stamps_ns.max()))
    if first_ns < 0 or last_ns > MAX_STAMP_NS:
        raise EpisodeError(
            f"stamps are from {first_ns} to {last_ns} ns, expected 0 to {MAX_STAMP_NS} as in ROS: "
            "correct the stamps of the data set"
        )
    return arrivals_ns


def _messages(
    episode: Episode, row: int, topics: RobotTopics, arrival_ns: int
) -> Iterator[Message]:
    """Yield the results of the row before and the observation of a row, if these exist."""
    if row > 0:
        yield from _results(episode, row - 1, topics, arrival_ns)
    if row < len(episode):
        yield from _observation(episode, row)


def _observation(episode: Episode, row: int) -> Iterator[Message]:
    """Yield the measured values of a row."""
    stamp_ns = int(episode.stamps_ns[row])
    yield JOINT_STATES, joint_state_message(episode.state_names, episode.states[row], stamp_ns)
    for camera, images in episode.images.items():
        yield f"{IMAGE}{camera}", image_message(images[row], stamp_ns)
    if episode.interventions is not None:
        yield INTERVENTION, intervention_message(bool(episode.interventions[row]))


def _results(episode: Episode, row: int, topics: RobotTopics, arrival_ns: int) -> Iterator[Message]:
    """Yield the commands and the reward of a row."""
    names, action = episode.action_names, episode.actions[row]
    for controller, joints in topics.controllers.items():
        columns = np.array([names.index(joint) for joint in joints])
        yield f"{COMMAND}{controller}", commands_message(action[columns])
    if not topics.controllers:
        yield JOINT_COMMANDS, joint_state_message(names, action, arrival_ns)
    yield REWARD, reward_message(float(episode.rewards[row]))
