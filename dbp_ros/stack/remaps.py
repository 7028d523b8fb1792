"""Remap rules `from:=to` for every process of the stack.

The name of a camera remaps two topics: `head_camera:=/camera/color/image_raw` becomes one ROS rule
for the raw images and one for the compressed images, which are published below the raw topic.
"""

import re
from collections.abc import Iterable, Sequence

from dbp_ros.errors import ConfigError
from dbp_ros.settings.parameter_yaml import suggestion
from dbp_ros.settings.robot import RobotDescription

Rule = tuple[str, str]

ASSIGNMENT = ":="
NAME = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)
RAW, COMPRESSED, JOINT_STATES = "image_raw", "compressed", "joint_states"
# Topics of the stack except those of cameras and controllers and private topics of nodes.
TOPICS = (
    *(JOINT_STATES, "action_chunk", "decision", "reward", "success", "intervention"),
    *("action_chunk/image_stamps", "model_announcement", "model_chunk", "model_request"),
    *("robot_description", "joy", "operator_chunk", "leader/joint_states"),
)
GLOBAL_TOPICS = ("/clock", "/diagnostics")
EXAMPLE = "head_camera:=/camera/color/image_raw"


def rules_of(text: str) -> tuple[Rule, ...]:
    """Return the ROS remap rules of a list `from:=to`, separated by spaces.

    A name without a slash that is not a topic of the stack is the name of a camera.

    Raises:
        ConfigError: If a rule has the wrong syntax, or a name is remapped twice.
    """
    rules: dict[str, str] = {}
    for rule in text.split():
        for source, target in _expanded(*_parsed(rule)):
            if source in rules:
                raise ConfigError(f"remap has {source} twice: {rules[source]} and {target}")
            rules[source] = target
    return tuple(rules.items())


def robot_rules(robot: RobotDescription) -> tuple[Rule, ...]:
    """Return the remap rules of topics whose names in a description are not the default ones."""
    rules = [
        rule
        for name, camera in robot.cameras.items()
        if camera.topic and camera.topic != f"{name}/{RAW}"
        for rule in _expanded(name, camera.topic)
    ]
    if robot.joint_states_topic != JOINT_STATES:
        rules.append((JOINT_STATES, robot.joint_states_topic))
    return tuple(rules)


def _parsed(rule: str) -> Rule:
    source, assignment, target = rule.partition(ASSIGNMENT)
    if not assignment:
        raise ConfigError(f"remap is {rule!r}, expected from:=to, such as {EXAMPLE}")
    for name in (source, target):
        if not NAME.fullmatch(name):
            raise ConfigError(
                f"remap is {rule!r}, but {name!r} is not a topic name: expected letters, digits "
                f"and underscores between slashes, such as {EXAMPLE}"
            )
    if source.startswith("__"):
        raise ConfigError(
            f"remap is {rule!r}: set the namespace by its argument; node names cannot be changed"
        )
    return source, target


def _expanded(source: str, target: str) -> Sequence[Rule]:
    if "/" not in source and source not in TOPICS and f"/{source}" not in GLOBAL_TOPICS:
        source = f"{source}/{RAW}"
    if not source.endswith(f"/{RAW}"):
        return [(source, target)]
    if target.endswith(f"/{COMPRESSED}"):
        raise ConfigError(
            f"remap of {source} is {target}: give the raw topic, "
            f"{target.removesuffix(f'/{COMPRESSED}')}; the compressed topic is remapped with it"
        )
    return [(source, target), (f"{source}/{COMPRESSED}", f"{target}/{COMPRESSED}")]


def check_sources(
    rules: Iterable[Rule],
    namespace: str,
    cameras: Iterable[str],
    controllers: Iterable[str],
    nodes: Iterable[str],
    settings: Iterable[str] = (),
) -> None:
    """Check that the source of every remap rule exists in the stack.

    Args:
        rules: Rules from `rules_of`.
        namespace: Namespace of the stack without leading or trailing slash; empty for none.
        cameras: Names of cameras.
        controllers: Names of controllers.
        nodes: Names of nodes, which prefix their private topics and services.
        settings: Other names to suggest for a misspelt source.

    Raises:
        ConfigError: If a source does not exist; the message suggests the nearest name.
    """
    prefix = f"/{namespace}/" if namespace else "/"
    of_camera = (RAW, f"{RAW}/{COMPRESSED}", "camera_info")
    images = [f"{camera}/{topic}" for camera in cameras for topic in of_camera]
    for source, target in rules:
        name = source.removeprefix(prefix)
        exact = name in TOPICS or name in images or (f"/{name}" in GLOBAL_TOPICS and not namespace)
        given = source.removesuffix(f"/{COMPRESSED}").removesuffix(f"/{RAW}")
        below = name.split("/")[0] in {*controllers, *nodes} and "/" in name and given == source
        if not (exact or below or source in GLOBAL_TOPICS):
            known = (*cameras, *TOPICS, *settings, *controllers)
            guess = suggestion(given, known, f"cameras are {', '.join(cameras)}")
            raise ConfigError(
                f"{given}:={target}: {given} is neither a camera nor a topic of the stack{guess}"
            )
