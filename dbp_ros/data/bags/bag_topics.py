"""Choice of the topics of a recording for state, action and images."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from dbp_ros.data.bags.interventions import INTERVENTION
from dbp_ros.data.bags.rewards import REWARD
from dbp_ros.data.bags.rosbag import BOOL, COMMANDS, FLOATS, IMAGES, JOINT_STATE, TRAJECTORY
from dbp_ros.data.selection import Selection, choose
from dbp_ros.errors import EpisodeError
from dbp_ros.settings.robot import RobotDescription

ActionKind = Literal["commands", "chunks", "trajectories", "joint_states", "measured"]
SUCCESS = "success"
# Actions that a selection names without a topic.
CONTROLLERS, CHUNKS, MEASURED = "commands", "chunks", "measured"
RAW, COMPRESSED, DEPTH = "image_raw", "compressed", "compressedDepth"


@dataclass(frozen=True)
class RobotTopics:
    """Names of a robot's joints and topics.

    Attributes:
        joints: Names of the joints in order.
        joint_states: Topic of the joint states.
        cameras: Topic of the raw images of each camera.
        controllers: Joints of each forward controller.
        intervention: Topic of interventions.
        reward: Topic of rewards.
        success: Topic of the success.
    """

    joints: tuple[str, ...]
    joint_states: str
    cameras: Mapping[str, str]
    controllers: Mapping[str, tuple[str, ...]]
    intervention: str = INTERVENTION
    reward: str = REWARD
    success: str = SUCCESS

    @classmethod
    def of(cls, robot: RobotDescription) -> "RobotTopics":
        """Return the names in a description."""
        cameras = {name: camera.topic or f"{name}/{RAW}" for name, camera in robot.cameras.items()}
        return cls(robot.joints, robot.joint_states_topic, cameras, robot.forward_controllers)


# Names of labels without a robot.
NO_ROBOT = RobotTopics((), "", {}, {})


@dataclass(frozen=True)
class BagTopics:
    """Role of the topics of a recording.

    Attributes:
        joints: Names of the joints; empty for all that the messages name.
        columns: Joints of the state; None for all.
        states: Topics of joint states.
        action: Source of the actions.
        actions: Topics of the actions with the joints of each; no joints if the messages name
            them.
        cameras: Topic of each selected camera.
        recorded_cameras: Topic of each camera, selected or not.
        labels: Topics of rewards and interventions.
        intervention: Topic of interventions without policy steps; empty if there is none.
        reward: Topic of rewards without policy steps; empty if there is none.
        success: Topic of the success without policy steps; empty if there is none.
    """

    joints: tuple[str, ...]
    columns: tuple[str, ...] | None
    states: tuple[str, ...]
    action: ActionKind
    actions: Mapping[str, tuple[str, ...]]
    cameras: Mapping[str, str]
    recorded_cameras: Mapping[str, str]
    labels: tuple[str, ...] = ()
    intervention: str = ""
    reward: str = ""
    success: str = ""

    def describe(self) -> str:
        """Return a sentence about what is read, for the user to check."""
        action: str = self.action
        if self.actions:
            action = f"{action} on {', '.join(self.actions)}"
        elif action == MEASURED:
            action = "measured positions one step later, as no commands are read"
        cameras = ", ".join(f"{name} ({topic})" for name, topic in self.cameras.items())
        labels = {"reward": self.reward, "success": self.success}
        found = "".join(f"; {label}: {topic}" for label, topic in labels.items() if topic)
        return (
            f"state: {', '.join(self.states)}; action: {action}; images: {cameras or 'none'}{found}"
        )

    @property
    def read(self) -> set[str]:
        """All topics with a role."""
        labels = {*self.labels, self.intervention, self.reward, self.success} - {""}
        return {*self.states, *self.actions, *self.cameras.values(), *labels}


def choose_topics(
    types: Mapping[str, str], selection: Selection, robot: RobotTopics | None
) -> BagTopics:
    """Return the role of each topic.

    Args:
        types: Message type of each topic.
        selection: Keys of the state are topics of joint states or names of joints, keys of the
            images are cameras or their topics.
        robot: Names joints, cameras and controllers; None to take all joints and cameras.

    Raises:
        EpisodeError: If a topic is missing, or a name stands for several.
    """
    choose("points", selection.points, (), ())
    action, actions = _actions(types, selection.action, robot)
    states = _states(types, selection.state or (), robot, actions)
    named = tuple(key for key in selection.state or () if not key.startswith("/"))
    all_columns = selection.state is None or (selection.state and not named)
    recorded = robot_cameras(types, robot) if robot else all_cameras(types)
    chosen: Collection[str] = recorded
    if selection.images is not None:
        keys = tuple(_camera_of(key, recorded) for key in selection.images)
        chosen = choose("images", keys, (), recorded)
    flags = [topic for topic, kind in types.items() if kind == BOOL]
    labels = robot or NO_ROBOT
    return BagTopics(
        joints=robot.joints if robot else (),
        columns=None if all_columns else named,
        states=states,
        action=action,
        actions=actions,
        cameras={name: recorded[name] for name in chosen},
        recorded_cameras=recorded,
        intervention=find_topic(labels.intervention, flags) or "",
        reward=only_topic(labels.reward, types, FLOATS),
        success=only_topic(labels.success, types, (BOOL,)),
    )


def _camera_of(key: str, cameras: Mapping[str, str]) -> str:
    """Return the name of a camera that is given by its name or topic."""
    return next((name for name, topic in cameras.items() if topic == key), key)


def _states(
    types: Mapping[str, str],
    keys: Collection[str],
    robot: RobotTopics | None,
    actions: Collection[str],
) -> tuple[str, ...]:
    """Return the topics of the joint states, without those of the action."""
    available = [topic for topic, kind in types.items() if kind == JOINT_STATE]
    selected = tuple(key for key in keys if key.startswith("/"))
    if selected:
        return choose("state", selected, (), available)
    if robot and (topic := f"/{robot.joint_states.strip('/')}") in available:
        return (topic,)
    found = tuple(topic for topic in available if topic not in actions)
    if not found:
        raise EpisodeError(
            f"there is no topic of {JOINT_STATE}, the bag has {_listed(types)}: record the joint "
            "states, too"
        )
    return found


def _actions(
    types: Mapping[str, str], key: str, robot: RobotTopics | None
) -> tuple[ActionKind, dict[str, tuple[str, ...]]]:
    """Return the source of the actions and its topics."""
    if key == MEASURED:
        return "measured", {}
    if key.startswith("/"):
        available = [topic for topic, kind in types.items() if kind in (JOINT_STATE, TRAJECTORY)]
        choose("action", (key,), (), available)
        kind: ActionKind = "joint_states" if types[key] == JOINT_STATE else "trajectories"
        return kind, {key: ()}
    commands = controller_topics(types, robot) if robot else {}
    if key not in ("", CONTROLLERS):
        raise EpisodeError(
            f"no key {key!r} for action: use one of {CONTROLLERS}, {MEASURED}, and the topics of "
            f"{JOINT_STATE} and {TRAJECTORY}"
        )
    if commands:
        return "commands", commands
    if key == CONTROLLERS:
        names = ", ".join(robot.controllers) if robot else "none, as no robot is given"
        raise EpisodeError(
            f"no commands of every controller: expected <controller>/commands of {names}; the bag "
            f"has {_listed(types)}"
        )
    trajectories = [topic for topic, found in types.items() if found == TRAJECTORY]
    if trajectories:
        return "trajectories", dict.fromkeys(trajectories, ())
    return "measured", {}


def controller_topics(types: Mapping[str, str], robot: RobotTopics) -> dict[str, tuple[str, ...]]:
    """Return the command topics of a robot's controllers with their joints; empty unless all."""
    available = [topic for topic, kind in types.items() if kind == COMMANDS]
    found = {
        find_topic(f"{name}/commands", available): joints
        for name, joints in robot.controllers.items()
    }
    return {} if None in found else {topic: joints for topic, joints in found.items() if topic}


def robot_cameras(types: Mapping[str, str], robot: RobotTopics) -> dict[str, str]:
    """Return the topic of each camera of a robot that was recorded, raw or compressed."""
    available = [topic for topic, kind in types.items() if kind in IMAGES]
    found = {}
    for name, base in robot.cameras.items():
        for topic in (base, f"{base}/{COMPRESSED}"):
            if name not in found and (match := find_topic(topic, available)):
                found[name] = match
    return found


def all_cameras(types: Mapping[str, str]) -> dict[str, str]:
    """Return all topics of images by a name for the camera: the topic without the transport."""
    found: dict[str, str] = {}
    for topic, kind in types.items():
        if kind not in IMAGES or topic.endswith(f"/{DEPTH}"):
            continue
        name = topic.removesuffix(f"/{COMPRESSED}").removesuffix(f"/{RAW}")
        # The raw topic is sorted before the compressed one.
        found.setdefault(name.strip("/").replace("/", "_"), topic)
    return found


def find_topic(name: str, topics: Collection[str]) -> str | None:
    """Return the topic with a name, in any namespace; None if there is none.

    Raises:
        EpisodeError: If the name is that of topics in several namespaces.
    """
    full = f"/{name.strip('/')}"
    if full in topics:
        return full
    found = [topic for topic in topics if topic.endswith(full)]
    if len(found) > 1:
        raise EpisodeError(f"{name} is {' and '.join(found)}: record the topics of one robot")
    return found[0] if found else None


def only_topic(name: str, types: Mapping[str, str], kinds: Collection[str]) -> str:
    """Return the only topic with a name, in any namespace; empty if there are none or several.

    Args:
        name: Its last part, or all of it.
        types: Message type of each topic.
        kinds: Message types of the topic.
    """
    found = [topic for topic, kind in types.items() if kind in kinds]
    found = [topic for topic in found if topic.endswith(f"/{name.strip('/')}")]
    return found[0] if len(found) == 1 else ""


def _listed(types: Mapping[str, str]) -> str:
    return ", ".join(f"{topic} ({kind.rpartition('/')[2]})" for topic, kind in types.items())
