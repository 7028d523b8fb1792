"""Rules for joint states, action chunks, controllers and commands."""

from collections.abc import Iterator
from difflib import get_close_matches

from dbp_ros.diagnosis.findings import ERROR, WARNING, Finding, listed
from dbp_ros.diagnosis.snapshot import (
    ACTIVE,
    SIMULATION,
    ControllerStatus,
    Snapshot,
    TopicStream,
)

POSITION = "position"
# Nodes that publish joint states of a real robot, or of another simulator.
DRIVERS = ("controller_manager", "joint_state_broadcaster", "ros2_control")
DEFAULT_TIMEOUT_S = 0.1


def controllers(s: Snapshot) -> Iterator[Finding]:
    """Find controllers that are missing, inactive or configured for other joints."""
    guard = s.full_name("guard")
    for controller in s.controllers:
        topic = controller.topic
        names = [p.node for p in topic.publishers]
        own = names.index(guard) if guard in names else len(names)
        if others := names[:own] + names[own + 1 :]:
            yield Finding(
                ERROR,
                topic.name,
                f"{listed(others)} also publishes commands",
                "dbp stop, then end it; a killed node is listed for up to 20 s",
            )
        if not topic.subscribers:
            yield _no_controller(s, controller)
        elif controller.activity not in ("", ACTIVE):
            activate = (
                f"dbp cell activate {controller.name}"
                if s.is_simulated
                else f"ros2 control set_controller_state {controller.name} active"
            )
            yield Finding(
                ERROR,
                controller.name,
                f"{controller.activity}: it ignores commands",
                f"{activate}, then dbp enable",
            )
        yield from _mismatch(controller)


def _no_controller(s: Snapshot, controller: ControllerStatus) -> Finding:
    own = {controller.topic.name for controller in s.controllers}
    others = [name for name in s.command_topics if name not in own]
    near = get_close_matches(controller.topic.name, others, 1, 0.0)
    guess = f", or correct the description of the robot: there is {near[0]}" if near else ""
    return Finding(
        ERROR,
        controller.topic.name,
        f"no subscriber: {controller.name} is not loaded",
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
        sentence = f"joints in another order: {listed(has)}; expected {listed(expected)}"
    elif len(has) != len(expected):
        sentence = f"it commands {len(has)} joints ({listed(has)}), expected {len(expected)}"
    else:
        sentence = f"it commands {listed(has)}, expected {listed(expected)}"
    yield Finding(
        ERROR,
        controller.name,
        sentence,
        "correct its joints, or those in the description of the robot",
    )


def joint_states(s: Snapshot) -> Iterator[Finding]:
    """Find joint states that are missing, duplicate, malformed, slow or have a wrong timestamp."""
    source = s.joint_states
    if source is None:
        return
    topic, streams = source.topic, source.streams
    publishers = sorted(p.node for p in topic.publishers)
    if not publishers:
        others = [name for name in s.joint_topics if name != topic.name]
        near = get_close_matches(topic.name, others, 1, 0.0)
        remap = f"start with --remap joint_states:={near[0]}, or " if near else ""
        yield Finding(
            ERROR,
            topic.name,
            "no publisher: the positions of the arms are unknown",
            f"{remap}start the robot's joint_state_broadcaster; for the simulated cell, "
            "dbp up --sim",
        )
        return
    if not streams:
        yield Finding(
            ERROR,
            topic.name,
            f"{listed(publishers)} is a publisher, but no message arrives",
            "check that the driver is connected to the robot and its controller is active",
        )
        return
    yield from _malformed(topic.name, streams)
    yield from _missing(s, topic.name, streams)
    if len(publishers) > 1:
        yield from _duplicate(topic.name, publishers, streams)
    yield from _slow(s, topic.name, streams)


def _malformed(topic: str, streams: tuple[TopicStream, ...]) -> Iterator[Finding]:
    for stream in streams:
        if stream.problem:
            yield Finding(ERROR, topic, stream.problem, "fix its driver")
        if stream.stamp_problem:
            yield Finding(ERROR, topic, stream.stamp_problem)


def _missing(s: Snapshot, topic: str, streams: tuple[TopicStream, ...]) -> Iterator[Finding]:
    wanted = s.guard.parameters.get("joints") or ()
    published = sorted({name for stream in streams for name in stream.names})
    missing = [joint for joint in wanted if joint not in published]
    if not missing:
        return
    near = get_close_matches(missing[0], [name for name in published if name not in wanted], 1)
    guess = f"; {near[0]} may be {missing[0]}" if near else ""
    yield Finding(
        ERROR,
        topic,
        f"missing joints: {listed(missing)}; published: {listed(published) or 'none'}{guess}",
        "start the driver of the missing joints, or correct the description of the robot",
    )


def _duplicate(
    topic: str, publishers: list[str], streams: tuple[TopicStream, ...]
) -> Iterator[Finding]:
    seen: set[str] = set()
    duplicate: set[str] = set()
    for stream in streams:
        duplicate |= seen & set(stream.names)
        seen |= set(stream.names)
    if duplicate:
        yield Finding(
            ERROR,
            topic,
            f"several of {listed(publishers)} publish {listed(sorted(duplicate))}",
            "end all but one, e.g. a bag player or a second simulator",
        )


def _slow(s: Snapshot, topic: str, streams: tuple[TopicStream, ...]) -> Iterator[Finding]:
    """Find drivers whose period is close to the timeout of the guard."""
    timeout_s = float(s.guard.parameters.get("joint_state_timeout_s") or DEFAULT_TIMEOUT_S)
    joints = set(s.guard.parameters.get("joints") or ())
    # The timeout is in simulation time if that is slower, the measured rate in wall time.
    factor = min(1.0, float(s.guard.parameters.get("real_time_factor") or 1.0))
    for stream in streams:
        relevant = not joints or joints & set(stream.names)
        rate_hz = stream.rate_hz / factor
        if relevant and rate_hz * timeout_s < 2.0:
            yield Finding(
                ERROR if rate_hz * timeout_s < 1.0 else WARNING,
                topic,
                f"{listed(stream.names, 3)} arrive at {rate_hz:.1f} Hz, expected "
                f"more than {2.0 / timeout_s:.0f} Hz: the arms are held between messages",
                "increase the rate of the driver, or joint_state_timeout_s in guard.yaml",
            )


def two_robots(s: Snapshot) -> Iterator[Finding]:
    """Find a simulated cell in the domain of a real robot."""
    publishers = [p.node for p in s.joint_states.topic.publishers] if s.joint_states else []
    simulated = s.full_name(SIMULATION)
    if not (simulated in publishers or s.is_simulated):
        return
    drivers = sorted(
        {name for name in publishers if name != simulated}
        | {name for name in s.other_nodes if name.rpartition("/")[2].startswith(DRIVERS)}
    )
    if drivers:
        yield Finding(
            ERROR,
            SIMULATION,
            f"the simulated cell runs in the domain of a real robot: {listed(drivers)}",
            "end it, and start the stack without --sim",
        )


def operator_chunks(s: Snapshot) -> Iterator[Finding]:
    """Find several publishers of operator chunks."""
    topic = s.operator_chunks.topic if s.operator_chunks else None
    if topic is not None and len(topic.publishers) > 1:
        publishers = sorted(p.node for p in topic.publishers)
        yield Finding(
            ERROR if s.operator_chunks and len(s.operator_chunks.streams) > 1 else WARNING,
            topic.name,
            f"several publishers: {listed(publishers)}",
            "end all but one: the guard accepts one operator",
        )


def chunks(s: Snapshot) -> Iterator[Finding]:
    """Find several publishers of chunks, or chunks that do not arrive."""
    if s.chunks is None:
        return
    topic = s.chunks.topic
    others = [p.node for p in topic.publishers if p.node != s.full_name("policy")]
    if len(topic.publishers) > 1:
        several_streams = len(s.chunks.streams) > 1
        yield Finding(
            ERROR if several_streams else WARNING,
            topic.name,
            f"several publishers: {listed(sorted(p.node for p in topic.publishers))}",
            f"end {listed(others) or 'all but one'}: the guard accepts one publisher",
        )
    if s.policy.sentence == "deciding" and topic.rate_hz == 0.0 and s.policy.lifecycle == ACTIVE:
        yield Finding(
            WARNING,
            topic.name,
            "the policy is active, but no chunk arrives",
            "compare the namespaces and remap rules of policy and guard",
        )


RULES = (controllers, joint_states, two_robots, chunks, operator_chunks)
