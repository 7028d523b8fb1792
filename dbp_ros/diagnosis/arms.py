"""Rules about the way from joint states to commands: publishers, controllers, joints, chunks."""

from collections.abc import Iterator
from difflib import get_close_matches

from dbp_ros.diagnosis.findings import ERROR, WARNING, Finding, listed
from dbp_ros.diagnosis.snapshot import ACTIVE, ControllerStatus, Snapshot, TopicStream

POSITION = "position"
SIMULATION = "simulation"
# Nodes that publish joint states of a real robot, or of another simulator.
DRIVERS = ("controller_manager", "joint_state_broadcaster", "ros2_control")
DEFAULT_TIMEOUT_S = 0.1


def controllers(s: Snapshot) -> Iterator[Finding]:
    """Find controllers that are absent, inactive, or made for other joints than the guard's."""
    guard = s.full_name("guard")
    for controller in s.controllers:
        topic = controller.topic
        names = [end.node for end in topic.publishers]
        own = names.index(guard) if guard in names else len(names)
        if rivals := names[:own] + names[own + 1 :]:
            yield Finding(
                ERROR,
                topic.name,
                f"{listed(rivals)} publishes commands too",
                "dbp stop, then end it; one that was killed is listed for up to 20 s",
            )
        if not topic.subscribers:
            yield _no_controller(s, controller)
        elif controller.activity not in ("", ACTIVE):
            simulated = SIMULATION in s.nodes and s.nodes[SIMULATION].copies
            activate = (
                f"dbp cell activate {controller.name}"
                if simulated
                else f"ros2 control set_controller_state {controller.name} active"
            )
            yield Finding(
                ERROR,
                controller.name,
                f"it is {controller.activity} and ignores commands",
                f"{activate}, then dbp enable",
            )
        yield from _mismatch(controller)


def _no_controller(s: Snapshot, controller: ControllerStatus) -> Finding:
    known = {one.topic.name for one in s.controllers}
    others = [name for name in s.command_topics if name not in known]
    near = get_close_matches(controller.topic.name, others, 1, 0.0)
    guess = f", or correct controllers in guard.yaml: there is {near[0]}" if near else ""
    return Finding(
        ERROR,
        controller.topic.name,
        f"nothing subscribes to it: {controller.name} is not loaded",
        f"ros2 control load_controller --set-state active {controller.name}{guess}; "
        "for the simulated cell, dbp up --sim",
    )


def _mismatch(controller: ControllerStatus) -> Iterator[Finding]:
    if controller.interface not in ("", POSITION):
        yield Finding(
            ERROR,
            controller.name,
            f"it commands {controller.interface}, expected {POSITION}",
            f"set its interface_name to {POSITION}",
        )
    has, expected = controller.joints, controller.expected
    if has is None or not expected or has == expected:
        return
    if sorted(has) == sorted(expected):
        sentence = f"its joints are in another order: {listed(has)}; expected {listed(expected)}"
    elif len(has) != len(expected):
        sentence = f"it commands {len(has)} joints ({listed(has)}), expected {len(expected)}"
    else:
        sentence = f"it commands {listed(has)}, expected {listed(expected)}"
    yield Finding(
        ERROR,
        controller.name,
        sentence,
        "correct its joints, or joints and controller_sizes in guard.yaml",
    )


def joint_states(s: Snapshot) -> Iterator[Finding]:
    """Find joint states that are missing, doubled, damaged, slow, or wrongly stamped."""
    source = s.joint_states
    if source is None:
        return
    topic, streams = source.topic, source.streams
    publishers = sorted(end.node for end in topic.publishers)
    if not publishers:
        others = [name for name in s.joint_topics if name != topic.name]
        near = get_close_matches(topic.name, others, 1, 0.0)
        remap = f"start with --remap joint_states:={near[0]}, or " if near else ""
        yield Finding(
            ERROR,
            topic.name,
            "nothing publishes it: the arms' positions are unknown",
            f"{remap}start the robot's joint_state_broadcaster; for the simulated cell, "
            "dbp up --sim",
        )
        return
    if not streams:
        yield Finding(
            ERROR,
            topic.name,
            f"{listed(publishers)} publishes it, but no message arrives",
            "is the driver connected to its robot, and its controller active?",
        )
        return
    yield from _damaged(topic.name, streams)
    yield from _missing(s, topic.name, streams)
    if len(publishers) > 1:
        yield from _doubled(topic.name, publishers, streams)
    yield from _slow(s, topic.name, streams)


def _damaged(topic: str, streams: tuple[TopicStream, ...]) -> Iterator[Finding]:
    for stream in streams:
        if stream.problem:
            yield Finding(ERROR, topic, stream.problem, "correct its driver")
        if stream.stamp_problem:
            yield Finding(ERROR, topic, stream.stamp_problem)


def _missing(s: Snapshot, topic: str, streams: tuple[TopicStream, ...]) -> Iterator[Finding]:
    wanted = s.guard.parameters.get("joints") or ()
    published = sorted({name for stream in streams for name in stream.names})
    missing = [joint for joint in wanted if joint not in published]
    if not missing:
        return
    near = get_close_matches(missing[0], [name for name in published if name not in wanted], 1)
    guess = f"; is {near[0]} meant for {missing[0]}?" if near else ""
    yield Finding(
        ERROR,
        topic,
        f"lacks {listed(missing)}; published are {listed(published) or 'none'}{guess}",
        "start the driver of the missing joints, or correct joints in guard.yaml and policy.yaml",
    )


def _doubled(
    topic: str, publishers: list[str], streams: tuple[TopicStream, ...]
) -> Iterator[Finding]:
    seen: set[str] = set()
    doubled: set[str] = set()
    for stream in streams:
        doubled |= seen & set(stream.names)
        seen |= set(stream.names)
    if doubled:
        yield Finding(
            ERROR,
            topic,
            f"two of {listed(publishers)} publish {listed(sorted(doubled))}",
            "end one of them, a bag that is played or a second simulator for example",
        )


def _slow(s: Snapshot, topic: str, streams: tuple[TopicStream, ...]) -> Iterator[Finding]:
    """Find drivers whose interval is close to the time-out of the guard."""
    timeout_s = float(s.guard.parameters.get("joint_state_timeout_s") or DEFAULT_TIMEOUT_S)
    wanted = set(s.guard.parameters.get("joints") or ())
    for stream in streams:
        ours = not wanted or wanted & set(stream.names)
        if ours and stream.rate_hz * timeout_s < 2.0:
            yield Finding(
                ERROR if stream.rate_hz * timeout_s < 1.0 else WARNING,
                topic,
                f"{listed(stream.names, 3)} arrive {stream.rate_hz:.1f} times a second, expected "
                f"more than {2.0 / timeout_s:.0f}: the arms are held between them",
                "raise the rate of the driver, or joint_state_timeout_s",
            )


def two_robots(s: Snapshot) -> Iterator[Finding]:
    """Find the simulated cell next to a real robot."""
    publishers = [end.node for end in s.joint_states.topic.publishers] if s.joint_states else []
    simulated = s.full_name(SIMULATION)
    if not (simulated in publishers or (SIMULATION in s.nodes and s.nodes[SIMULATION].copies)):
        return
    drivers = sorted(
        {name for name in publishers if name != simulated}
        | {name for name in s.other_nodes if name.rpartition("/")[2].startswith(DRIVERS)}
    )
    if drivers:
        yield Finding(
            ERROR,
            SIMULATION,
            f"the simulated cell runs in the domain of a robot: {listed(drivers)}",
            "end it, and start the stack without --sim",
        )


def chunks(s: Snapshot) -> Iterator[Finding]:
    """Find two publishers of chunks, or none that reaches the guard."""
    if s.chunks is None:
        return
    topic = s.chunks.topic
    rivals = [end.node for end in topic.publishers if end.node != s.full_name("policy")]
    if len(topic.publishers) > 1:
        sends = len(s.chunks.streams) > 1
        yield Finding(
            ERROR if sends else WARNING,
            topic.name,
            f"{listed(sorted(end.node for end in topic.publishers))} publish it",
            f"end {listed(rivals) or 'all but one'}: the guard follows one publisher",
        )
    if s.policy.sentence == "deciding" and topic.rate_hz == 0.0 and s.policy.lifecycle == ACTIVE:
        yield Finding(
            WARNING,
            topic.name,
            "the policy decides, but no chunk arrives here",
            "compare namespaces and remaps of policy and guard",
        )


RULES = (controllers, joint_states, two_robots, chunks)
