"""Data sets of bags: episodes of the recorders of this package, and recordings of rosbag2."""

from dataclasses import replace
from pathlib import Path

from dbp_ros.data.bags.bag import read_bag
from dbp_ros.data.bags.bag_labels import UNKNOWN_END
from dbp_ros.data.bags.bag_paths import bag_paths
from dbp_ros.data.bags.bag_rows import read_images, sample_rows
from dbp_ros.data.bags.bag_streams import read_streams
from dbp_ros.data.bags.bag_summary import (
    JOINT_COMMANDS,
    POLICY_STEPS,
    BagSummary,
    policy_topics,
    read_summary,
)
from dbp_ros.data.bags.bag_topics import CONTROLLERS, BagTopics, RobotTopics, choose_topics
from dbp_ros.data.bags.control_state import disabled_control
from dbp_ros.data.bags.interventions import intervention_rows
from dbp_ros.data.bags.policy_episode import read_policy_episode
from dbp_ros.data.bags.rewards import reward_rows
from dbp_ros.data.bags.rosbag import Rosbag
from dbp_ros.data.episode import Episode
from dbp_ros.data.hashing import files_sha256
from dbp_ros.data.read_errors import error_context
from dbp_ros.data.selection import DEFAULT_SELECTION, Selection, choose
from dbp_ros.errors import EpisodeError
from dbp_ros.sensing.image_decoding import DEPTH
from dbp_ros.settings.robot_files import read_robot
from dbp_ros.types import seconds_to_ns

# Time between two rows of a recording that does not store it: cameras of robots run at 30 Hz.
STEP_S = 1 / 30


class BagSet:
    """Bags as episodes.

    The state is the measured positions, the action the command one step later: the commands of
    the controllers if all were recorded, else the points of trajectories, else the measured
    position one step later. A key of the action is `commands`, `measured`, or the topic of a
    trajectory or of other joint states, such as those of a leading arm.

    Rows of an episode with policy steps are the observations of these steps, and the control
    steps in between; see `read_policy_episode`.
    """

    def __init__(self, path: Path, selection: Selection = DEFAULT_SELECTION) -> None:
        """Find the bags and the topics of the first one.

        Raises:
            EpisodeError: If there are none, or the first one lacks a selected topic.
        """
        self.origin, self._selection = str(path), selection
        self._paths = bag_paths(path)
        if not self._paths:
            raise EpisodeError(f"{path} has no bags: give a bag, or a folder of bags")
        self.names = tuple(one.name for one in self._paths)
        self._robot = read_robot(selection.robot) if selection.robot else None
        with error_context(str(self._paths[0])):
            self._types, self._first = self._topics_of_first()

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def unused(self) -> dict[str, tuple[int, ...]]:
        """Topics of the first bag that are not read."""
        return {topic: () for topic in self._types if topic not in self._first.read}

    @property
    def notes(self) -> tuple[str, ...]:
        """Topics of the first bag that are read, for the user to check."""
        lacking = self._first.action != "commands" and not self._selection.action
        cause = disabled_control(self._paths[0]) if lacking else ""
        return (self._first.describe(), *([cause] if cause else []))

    def read(self, index: int) -> Episode:
        """Read one episode; see `EpisodeSet`."""
        path = self._paths[index]
        with error_context(str(path)):
            summary = read_summary(path) if path.is_file() else None
            if summary is not None and POLICY_STEPS in summary.topics:
                action = self._same_action(policy_topics(summary, self._selection), path)
                return read_policy_episode(read_bag(path), replace(self._selection, action=action))
            return self._read_streams(path, summary)

    def sha256(self) -> str:
        """Return the sha256 over the sorted sha256 of the files of all bags."""
        return files_sha256(
            file
            for path in self._paths
            for file in ([path] if path.is_file() else sorted(path.iterdir()))
            if file.is_file()
        )

    def _topics_of_first(self) -> tuple[dict[str, str], BagTopics]:
        path = self._paths[0]
        summary = read_summary(path) if path.is_file() else None
        with Rosbag(path) as bag:
            try:
                return dict(bag.topics), self._topics(bag, summary)
            except EpisodeError as error:
                chosen = self._selection.action == CONTROLLERS
                cause = disabled_control(path) if chosen else ""
                raise EpisodeError("; ".join(filter(None, (str(error), cause)))) from error

    def _topics(self, bag: Rosbag, summary: BagSummary | None) -> BagTopics:
        """Return the role of each topic, by the metadata of the bag if it has any."""
        if summary is not None and POLICY_STEPS in summary.topics:
            return policy_topics(summary, self._selection)
        robot = RobotTopics.of(self._robot) if self._robot else None
        if summary is not None and summary.robot_topics is not None:
            robot = summary.robot_topics
        selection = self._selection
        if summary is not None and JOINT_COMMANDS in summary.topics and not selection.action:
            selection = replace(selection, action=summary.topics[JOINT_COMMANDS])
        topics = choose_topics(bag.topics, selection, robot)
        if robot is not None:
            return topics
        recorded = topics.recorded_cameras
        colour = {name: topic for name, topic in recorded.items() if not _is_depth(bag, topic)}
        cameras = colour if self._selection.images is None else topics.cameras
        return replace(topics, cameras=cameras, recorded_cameras=colour)

    def _same_action(self, topics: BagTopics, path: Path) -> str:
        """Return the source of the actions of a bag.

        Raises:
            EpisodeError: If it is not that of the first bag, with the cause of missing commands.
        """
        first = self._first.action
        if topics.action != first:
            lacking = path if first == "commands" else self._paths[0]
            cause = disabled_control(lacking) if "commands" in (first, topics.action) else ""
            raise EpisodeError(
                f"the actions are {topics.action}, and those of {self.names[0]} are {first}: "
                f"{f'{cause}, or ' if cause else ''}choose one with --action, such as measured"
            )
        return topics.action

    def _read_streams(self, path: Path, summary: BagSummary | None) -> Episode:
        metadata = summary.metadata if summary else {}
        step_s = self._selection.step_s or (summary.step_s if summary else None) or STEP_S
        with Rosbag(path) as bag:
            topics = self._topics(bag, summary)
            self._same_action(topics, path)
            streams = read_streams(bag, topics, summary)
            rows = sample_rows(streams, step_s)
            images = read_images(bag, topics.cameras, rows)
        labels, step_ns = streams.labels, seconds_to_ns(step_s)
        end = summary.end if summary else labels.end
        solved = end != UNKNOWN_END and end.outcome == "success"
        has_policy = summary is not None and summary.has_policy
        interventions = None
        # A latched False of an earlier policy is in the recordings of demonstrations, too.
        if has_policy or any(labels.interventions.values):
            interventions = intervention_rows(labels.interventions, rows.stamps_ns, step_ns)
        columns = choose("state", topics.columns, streams.joints, streams.joints)
        return Episode(
            task=str(metadata.get("task") or "unknown"),
            seed=-1,
            mode="",
            outcome=end.outcome,
            termination_reason=end.termination_reason,
            state_names=columns,
            action_names=streams.joints,
            step_s=step_s,
            states=rows.states[:, [streams.joints.index(joint) for joint in columns]],
            actions=rows.actions,
            rewards=reward_rows(labels.rewards, rows.stamps_ns, step_ns, solved),
            stamps_ns=rows.stamps_ns,
            images=images,
            interventions=interventions,
            origin_ns=streams.positions.stamps_ns[0],
        )


def _is_depth(bag: Rosbag, topic: str) -> bool:
    """Return whether the first image of a topic is a depth image."""
    first = next(bag.messages((topic,))).value
    encoding = str(getattr(first, "encoding", "") or getattr(first, "format", ""))
    return "compressedDepth" in encoding or encoding.split(";")[0].strip() in DEPTH
