"""Metadata and topics of a bag of this package, without its messages."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcap.exceptions import McapError
from mcap.reader import make_reader

from dbp_ros.data.bags.bag import METADATA, OUTCOME, ROLE, ROW_STEP_S, EpisodeEnd
from dbp_ros.data.bags.bag_topics import (
    CHUNKS,
    CONTROLLERS,
    MEASURED,
    SUCCESS,
    ActionKind,
    BagTopics,
    RobotTopics,
)
from dbp_ros.data.bags.interventions import INTERVENTION
from dbp_ros.data.bags.rewards import REWARD
from dbp_ros.data.selection import Selection, choose, choose_action
from dbp_ros.errors import EpisodeError

# Roles of topics; those of cameras and controllers end with their name.
JOINT_STATES, POLICY_STEPS, IMAGE, COMMAND = "joint_states", "decision", "image.", "command."
# Role of the commands of all joints in exported bags without controllers.
JOINT_COMMANDS = "joint_commands"
GUARD_STATE = "guard_state"
LABELS = (REWARD, INTERVENTION)
UNREADABLE = (McapError, OSError, struct.error, ValueError, KeyError, RuntimeError)


@dataclass(frozen=True)
class BagSummary:
    """Content of a complete bag.

    Attributes:
        metadata: Values written at the start of the episode.
        end: End of the episode.
        topics: Topic of each role with messages.
        first_ns: Arrival of the first message.
        last_ns: Arrival of the last message.
    """

    metadata: dict[str, Any]
    end: EpisodeEnd
    topics: dict[str, str]
    first_ns: int = 0
    last_ns: int = 0

    @property
    def robot_topics(self) -> RobotTopics | None:
        """Joints and topics of the robot; None if the recorder did not store them."""
        joints = tuple(self.metadata.get("joints", ()))
        if not joints or JOINT_STATES not in self.topics:
            return None
        remaining, controllers = list(joints), {}
        for name, size in self.metadata.get("controllers", {}).items():
            controllers[name], remaining = tuple(remaining[:size]), remaining[size:]
        cameras = {
            role.removeprefix(IMAGE): topic
            for role, topic in self.topics.items()
            if role.startswith(IMAGE)
        }
        return RobotTopics(
            joints,
            self.topics[JOINT_STATES],
            cameras,
            controllers,
            intervention=self.topics.get(INTERVENTION, INTERVENTION),
            reward=self.topics.get(REWARD, REWARD),
            success=self.topics.get(SUCCESS, SUCCESS),
        )

    @property
    def has_policy(self) -> bool:
        """Whether a policy ran."""
        no_policy = self.metadata.get("model", "") is None
        return not no_policy and "step_s" in self.metadata

    @property
    def step_s(self) -> float | None:
        """Time between two exported rows, or two points of a chunk, in [s]; None if unknown."""
        chunk_step_s = self.metadata["step_s"] if self.has_policy else None
        step_s: float | None = self.metadata.get(ROW_STEP_S, chunk_step_s)
        return step_s


def read_summary(path: Path) -> BagSummary | None:
    """Return the content of a bag; None for a file of another recorder.

    Raises:
        EpisodeError: If a bag of this package has no end.
    """
    try:
        with path.open("rb") as file:
            reader = make_reader(file)
            records = {record.name: record.metadata for record in reader.iter_metadata()}
            summary = reader.get_summary()
    except UNREADABLE:
        return None
    if METADATA not in records or summary is None or summary.statistics is None:
        return None
    if OUTCOME not in records:
        raise EpisodeError(f"{path} is incomplete: start its recorder again, which recovers it")
    end, counts = records[OUTCOME], summary.statistics.channel_message_counts
    return BagSummary(
        metadata={key: json.loads(value) for key, value in records[METADATA].items()},
        end=EpisodeEnd(end["outcome"], end["termination_reason"], int(end["stamp_ns"])),
        topics={
            channel.metadata[ROLE]: channel.topic
            for channel in summary.channels.values()
            if ROLE in channel.metadata and counts.get(channel.id, 0)
        },
        first_ns=summary.statistics.message_start_time,
        last_ns=summary.statistics.message_end_time,
    )


def policy_topics(summary: BagSummary, selection: Selection) -> BagTopics:
    """Return the role of the topics of an episode with policy steps.

    Raises:
        EpisodeError: If a selected key is missing.
    """
    topics, joints = summary.topics, tuple(summary.metadata["joints"])
    state = choose("state", selection.state, joints, joints)
    cameras = {camera: topics.get(f"{IMAGE}{camera}", "") for camera in summary.metadata["cameras"]}
    chosen = choose("images", selection.images, cameras, cameras)
    commands = [f"{COMMAND}{name}" for name in summary.metadata.get("controllers", {})]
    sources: dict[str, tuple[str, ...]] = {MEASURED: (), CHUNKS: (topics[POLICY_STEPS],)}
    if commands and all(role in topics for role in commands):
        sources[CONTROLLERS] = tuple(topics[role] for role in commands)
    action = choose_action(selection.action, list(sources)[-1], sources)
    kinds: dict[str, ActionKind] = {MEASURED: "measured", CHUNKS: "chunks", CONTROLLERS: "commands"}
    return BagTopics(
        joints=joints,
        columns=state,
        states=(topics[JOINT_STATES],),
        action=kinds[action],
        actions=dict.fromkeys(sources[action], ()),
        cameras={camera: cameras[camera] for camera in chosen},
        recorded_cameras=cameras,
        labels=tuple(topics[role] for role in LABELS if role in topics),
    )
