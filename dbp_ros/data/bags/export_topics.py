"""Topics and metadata of exported bags."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from dbp_ros.data.bags.bag import ROW_STEP_S, BagTopic
from dbp_ros.data.bags.bag_summary import COMMAND, IMAGE, JOINT_COMMANDS, JOINT_STATES
from dbp_ros.data.bags.bag_topics import COMPRESSED, RAW, RobotTopics
from dbp_ros.data.bags.interventions import INTERVENTION
from dbp_ros.data.bags.rewards import REWARD
from dbp_ros.data.bags.rosbag import BOOL, COMMANDS, COMPRESSED_IMAGE, FLOAT, JOINT_STATE, TYPES
from dbp_ros.data.episode import Episode
from dbp_ros.data.spec import SetSpec
from dbp_ros.errors import EpisodeError
from dbp_ros.settings.robot import RobotDescription

NOT_IN_A_NAME = re.compile(r"\W", re.ASCII)
EXPORTED_BY = "episodes export"


def robot_topics(spec: SetSpec, robot: RobotDescription | None) -> RobotTopics:
    """Return the joints, cameras and controllers of a set.

    Args:
        spec: What all episodes have in common.
        robot: Names topics and controllers; None for the topics named after columns and cameras,
            and no controllers.

    Raises:
        EpisodeError: If two cameras get the same topic.
    """
    described = RobotTopics.of(robot) if robot else RobotTopics(spec.actions, JOINT_STATES, {}, {})
    cameras: dict[str, str] = {}
    for camera in spec.images:
        topic = _full(described.cameras.get(camera) or _raw_topic(camera))
        if topic in cameras.values():
            raise EpisodeError(f"two cameras get the topic {topic}: select one with --images")
        cameras[camera] = topic
    states = _full(described.joint_states)
    return RobotTopics(spec.actions, states, cameras, described.controllers)


def bag_topics(topics: RobotTopics, has_interventions: bool) -> dict[str, BagTopic]:
    """Return the topics of a bag by role.

    Args:
        topics: Joints, cameras and controllers.
        has_interventions: Whether the episode has flags of interventions.
    """
    kinds = {JOINT_STATES: (topics.joint_states, JOINT_STATE)}
    for controller in topics.controllers:
        kinds[f"{COMMAND}{controller}"] = (f"/{controller}/commands", COMMANDS)
    if not topics.controllers:
        kinds[JOINT_COMMANDS] = (_full(JOINT_COMMANDS), JOINT_STATE)
    for camera, topic in topics.cameras.items():
        kinds[f"{IMAGE}{camera}"] = (f"{topic}/{COMPRESSED}", COMPRESSED_IMAGE)
    kinds[REWARD] = (_full(REWARD), FLOAT)
    if has_interventions:
        kinds[INTERVENTION] = (_full(INTERVENTION), BOOL)
    return {
        role: BagTopic(topic, kind, TYPES.generate_msgdef(kind, ros_version=2)[0])
        for role, (topic, kind) in kinds.items()
    }


def bag_metadata(episode: Episode, topics: RobotTopics, robot: str) -> dict[str, Any]:
    """Return the metadata of a bag, from which the reader of bags takes joints, step and task.

    Args:
        episode: The episode.
        topics: Joints, cameras and controllers.
        robot: Name of the robot; empty if unknown.
    """
    metadata: dict[str, Any] = {
        "robot": robot,
        "task": episode.task,
        "seed": episode.seed,
        "mode": episode.mode,
        "joints": list(topics.joints),
        "cameras": list(topics.cameras),
        "controllers": {name: len(joints) for name, joints in topics.controllers.items()},
        "step_s": episode.step_s,
        ROW_STEP_S: episode.step_s,
        "recorded_by": EXPORTED_BY,
    }
    # A model of null means that no policy ran; the model of a policy is unknown.
    return metadata | ({"model": None} if episode.interventions is None else {})


def _raw_topic(camera: str) -> str:
    """Return a valid topic for a camera, whose name may be a topic or a key of a data set."""
    topic = "/".join(_tokens(camera.strip("/").split("/")))
    return f"{topic.removesuffix(f'/{RAW}')}/{RAW}"


def _tokens(parts: Iterable[str]) -> Iterator[str]:
    for part in parts:
        token = NOT_IN_A_NAME.sub("_", part)
        yield f"_{token}" if token[:1].isdigit() else token


def _full(name: str) -> str:
    return f"/{name.strip('/')}"
