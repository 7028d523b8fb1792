"""Rules about what surrounds the stack: cameras, `/clock`, types and qualities of service."""

from collections.abc import Iterator
from difflib import get_close_matches

from dbp_ros.diagnosis.findings import ERROR, NOTE, WARNING, Finding, listed
from dbp_ros.diagnosis.snapshot import SimulatedClock, Snapshot, StreamSource, TopicStatus

RAW, COMPRESSED = "/image_raw", "/compressed"
# In the names of topics whose images are not what a policy was trained on.
COLOURLESS = ("depth", "infra", "confidence", "disparity")
DEFAULT_MAX_AGE_S = 0.2
# A /clock is followed between these rates.
SLOWEST, FASTEST = 0.05, 20.0
# Difference of `real_time_factor` and the rate of /clock that is reported.
FACTOR_TOLERANCE = 0.3


def cameras(s: Snapshot) -> Iterator[Finding]:
    """Find cameras that are missing, doubled, slow, or whose images cannot be used."""
    for source in s.cameras:
        topic = source.topic
        publishers = [end.node for end in topic.publishers]
        if not publishers:
            yield _no_camera(s, topic)
            continue
        if len(publishers) > 1:
            yield Finding(ERROR, topic.name, f"{listed(publishers)} publish it", "end all but one")
        if not source.streams:
            yield Finding(
                ERROR,
                topic.name,
                f"{publishers[0]} publishes it, but no image arrives",
                "is the camera connected? for large images, raise net.core.rmem_max",
            )
        for stream in source.streams:
            if stream.problem:
                yield Finding(ERROR, topic.name, stream.problem)
            if stream.stamp_problem:
                yield Finding(ERROR, topic.name, stream.stamp_problem)
        yield from _slow(s, source)


def _no_camera(s: Snapshot, topic: TopicStatus) -> Finding:
    camera = topic.name.removeprefix(s.namespace).removesuffix(COMPRESSED).removesuffix(RAW)
    others = {name.removesuffix(COMPRESSED) for name in s.image_topics}
    base = topic.name.removesuffix(COMPRESSED)
    if base in others:
        other = "compressed" if base == topic.name else "raw"
        return Finding(
            ERROR,
            topic.name,
            f"nothing publishes it, but there are {other} images",
            f"set image_transport: {other} in policy.yaml",
        )
    if not others:
        return Finding(
            ERROR,
            topic.name,
            "nothing publishes it, and there are no other images",
            "start the camera's driver; for the simulated cell, dbp up --sim",
        )
    coloured = [name for name in sorted(others) if not any(word in name for word in COLOURLESS)]
    nearest = get_close_matches(base, coloured or sorted(others), 1, 0.0)[0]
    return Finding(
        ERROR,
        topic.name,
        f"nothing publishes it; images are on {listed(sorted(others))}",
        f"start with --remap {camera.strip('/')}:={nearest}, the nearest, or with another of them",
    )


def _slow(s: Snapshot, source: StreamSource) -> Iterator[Finding]:
    max_age_s = float(s.policy.parameters.get("image_max_age_s") or DEFAULT_MAX_AGE_S)
    rate_hz = source.topic.rate_hz
    if source.streams and rate_hz is not None and rate_hz * max_age_s < 2.0:
        yield Finding(
            ERROR if rate_hz * max_age_s < 1.0 else WARNING,
            source.topic.name,
            f"{rate_hz:.1f} images a second, expected more than {2.0 / max_age_s:.0f}: the policy "
            "refuses old images",
            "raise the camera's rate, or image_max_age_s in policy.yaml",
        )


def clocks(s: Snapshot) -> Iterator[Finding]:
    """Find a `/clock` that is missing, stalled, doubled, too slow or too fast."""
    users = [node.name for node in s.nodes.values() if node.parameters.get("use_sim_time")]
    clock = s.clock
    publishers = [end.node for end in clock.topic.publishers] if clock else []
    if users and not publishers:
        yield Finding(
            ERROR,
            "/clock",
            f"nothing publishes it, but {listed(users)} use it (use_sim_time)",
            "start the simulator, or set use_sim_time to false",
        )
    if not clock or not publishers:
        return
    if len(publishers) > 1:
        yield Finding(ERROR, "/clock", f"{listed(publishers)} publish it", "end all but one")
    if not users:
        mine = s.nodes.get("guard") or s.nodes.get("policy")
        if mine is not None and "use_sim_time" in mine.parameters:
            yield Finding(
                NOTE,
                "/clock",
                f"{listed(publishers)} publishes it, and the stack does not use it",
                "if a simulator stamps images and joint states: dbp up --use-sim-time",
            )
        return
    yield from _clock_rate(s, clock)


def _clock_rate(s: Snapshot, clock: SimulatedClock) -> Iterator[Finding]:
    if clock.topic.rate_hz == 0.0:
        yield Finding(ERROR, "/clock", "no message arrives", "is the simulator paused?")
        return
    factor = clock.real_time_factor
    if factor is None:
        return
    if factor <= 0.0:
        yield Finding(ERROR, "/clock", "it does not advance", "is the simulator paused?")
        return
    if not SLOWEST <= factor <= FASTEST:
        yield Finding(
            ERROR,
            "/clock",
            f"it runs at {factor:.3g} times real time, expected {SLOWEST} to {FASTEST:g}",
            "change the rate of the simulator",
        )
        return
    expected = s.guard.parameters.get("real_time_factor")
    if expected and abs(factor - expected) > FACTOR_TOLERANCE * expected:
        yield Finding(
            WARNING,
            "/clock",
            f"it runs at {factor:.2f} times real time, and real_time_factor is {expected:g}: the "
            "guard's limits are in simulation time of real_time_factor",
            f"dbp up --real-time-factor {factor:.2g}, or change the rate of the simulator",
        )


def connections(s: Snapshot) -> Iterator[Finding]:
    """Find publishers and subscribers of one topic that cannot be connected."""
    sources = [s.joint_states, s.chunks, *s.cameras]
    topics = [source.topic for source in sources if source]
    topics += [controller.topic for controller in s.controllers]
    for topic in topics:
        for publisher in topic.publishers:
            for subscriber in topic.subscribers:
                if publisher.kind != subscriber.kind:
                    reason = f"{publisher.kind} and {subscriber.kind} are different types"
                elif subscriber.reliable and not publisher.reliable:
                    reason = "the subscriber is reliable, the publisher best effort"
                elif subscriber.latched and not publisher.latched:
                    reason = "the subscriber is transient local, the publisher volatile"
                else:
                    continue
                yield Finding(
                    ERROR,
                    topic.name,
                    f"{publisher.node} does not reach {subscriber.node}: {reason}",
                    "make them agree",
                )


def other_stacks(s: Snapshot) -> Iterator[Finding]:
    """Note other stacks in the same domain."""
    if s.other_stacks and any(node.copies for node in s.nodes.values()):
        names = [name or "/" for name in s.other_stacks]
        yield Finding(
            NOTE, "domain", f"other stacks are in {listed(names)}", "see dbp status --namespace"
        )


RULES = (cameras, clocks, connections, other_stacks)
