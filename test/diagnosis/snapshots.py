"""A stack without faults, and functions that add one fault."""

from dataclasses import replace
from typing import Any

from dbp_ros.diagnosis.findings import Finding
from dbp_ros.diagnosis.rules import evaluate_rules
from dbp_ros.diagnosis.snapshot import (
    ControllerStatus,
    Endpoint,
    NodeStatus,
    SimulatedClock,
    Snapshot,
    StreamSource,
    TopicStatus,
    TopicStream,
)

LEFT, RIGHT = ("left_1_joint", "left_2_joint"), ("right_1_joint", "right_2_joint")
JOINTS = (*LEFT, *RIGHT)
FLOATS = "std_msgs/msg/Float64MultiArray"
STATES = "sensor_msgs/msg/JointState"
IMAGE = "sensor_msgs/msg/Image"
CHUNK = "trajectory_msgs/msg/JointTrajectory"
CAMERA = "/head_camera/image_raw"
BROADCASTER = "/joint_state_broadcaster"
GUARD = {
    "joints": JOINTS,
    "controllers": ("left", "right"),
    "controller_sizes": (2, 2),
    "joint_state_timeout_s": 0.1,
    "use_sim_time": False,
    "real_time_factor": 1.0,
}
POLICY = {"joints": JOINTS, "image_max_age_s": 0.2, "use_sim_time": False, "real_time_factor": 1.0}


def node(name: str, sentence: str, level: int = 0, **values: Any) -> NodeStatus:
    return NodeStatus(name, 1, level, sentence, 0.4, True, **values)


def ends(kind: str, *names: str, reliable: bool = False) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(name, kind, reliable) for name in names)


def commands(name: str, joints: tuple[str, ...]) -> ControllerStatus:
    topic = TopicStatus(
        f"/{name}/commands",
        ends(FLOATS, "/guard", reliable=True),
        ends(FLOATS, f"/{name}"),
    )
    return ControllerStatus(name, topic, joints, joints, "position", "active")


HEALTHY = Snapshot(
    place="ROS_DOMAIN_ID=7 and ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST",
    nodes={
        "guard": node("guard", "tracking", parameters=GUARD),
        "policy": node("policy", "deciding", lifecycle="active", parameters=POLICY),
    },
    joint_states=StreamSource(
        TopicStatus("/joint_states", ends(STATES, BROADCASTER), ends(STATES, "/guard"), 500.0),
        (TopicStream(JOINTS, 500.0, 0.001),),
    ),
    chunks=StreamSource(
        TopicStatus("/action_chunk", ends(CHUNK, "/policy"), ends(CHUNK, "/guard"), 125.0),
        (TopicStream((), 125.0),),
    ),
    cameras=(
        StreamSource(
            TopicStatus(CAMERA, ends(IMAGE, "/camera"), ends(IMAGE, "/policy"), 30.0),
            (TopicStream((), 30.0, 0.02),),
        ),
    ),
    image_topics={CAMERA: IMAGE},
    joint_topics=("/joint_states",),
    command_topics=("/left/commands", "/right/commands"),
    controllers=(commands("left", LEFT), commands("right", RIGHT)),
    other_nodes=("/camera", "/controller_manager", BROADCASTER, "/left", "/right"),
)


def with_node(name: str, **changes: Any) -> Snapshot:
    """Return a healthy stack with one node changed."""
    changed = replace(HEALTHY.nodes.get(name, NodeStatus(name)), **changes)
    return replace(HEALTHY, nodes={**HEALTHY.nodes, name: changed})


def with_parameter(name: str, **parameters: Any) -> Snapshot:
    """Return a healthy stack with parameters of one node changed."""
    return with_node(name, parameters={**HEALTHY.nodes[name].parameters, **parameters})


def with_joint_states(
    *streams: TopicStream, publishers: tuple[str, ...] = (BROADCASTER,)
) -> Snapshot:
    """Return a healthy stack with other joint states."""
    assert HEALTHY.joint_states is not None
    topic = replace(HEALTHY.joint_states.topic, publishers=ends(STATES, *publishers))
    return replace(HEALTHY, joint_states=StreamSource(topic, streams))


def with_camera(*streams: TopicStream, publishers: tuple[str, ...] = ("/camera",)) -> Snapshot:
    """Return a healthy stack with other images."""
    rate_hz = sum(stream.rate_hz for stream in streams)
    topic = TopicStatus(CAMERA, ends(IMAGE, *publishers), ends(IMAGE, "/policy"), rate_hz)
    return replace(HEALTHY, cameras=(StreamSource(topic, streams),))


def with_controller(**changes: Any) -> Snapshot:
    """Return a healthy stack with the left controller changed."""
    left, right = HEALTHY.controllers
    return replace(HEALTHY, controllers=(replace(left, **changes), right))


def with_clock(factor: float | None, *publishers: str, rate_hz: float = 100.0) -> Snapshot:
    """Return a healthy stack that uses /clock."""
    stack = with_parameter("guard", use_sim_time=True)
    policy = replace(stack.policy, parameters={**stack.policy.parameters, "use_sim_time": True})
    topic = TopicStatus("/clock", ends("rosgraph_msgs/msg/Clock", *publishers), (), rate_hz)
    clock = SimulatedClock(topic, factor) if publishers else None
    return replace(stack, nodes={**stack.nodes, "policy": policy}, clock=clock)


def only(snapshot: Snapshot) -> Finding:
    """Return the only finding of a snapshot."""
    [finding] = evaluate_rules(snapshot)
    return finding


def assert_named(snapshot: Snapshot, level: int, subject: str, *words: str) -> None:
    finding = only(snapshot)
    assert (finding.level, finding.subject) == (level, subject)
    for word in words:
        assert word in f"{finding.sentence} | {finding.action}"
