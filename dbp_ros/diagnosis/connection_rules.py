"""Rules for `/clock`, for type and QoS of connections, and for other stacks."""

from collections.abc import Iterator

from dbp_ros.diagnosis.findings import ERROR, NOTE, WARNING, Finding, listed, several_publishers
from dbp_ros.diagnosis.snapshot import SimulatedClock, Snapshot

# Supported range of the rate of /clock.
SLOWEST, FASTEST = 0.05, 20.0
# Relative difference between `real_time_factor` and the rate of /clock that is reported.
FACTOR_TOLERANCE = 0.3


def clocks(s: Snapshot) -> Iterator[Finding]:
    """Find a `/clock` that is missing, stalled, duplicate, too slow or too fast."""
    users = [node.name for node in s.nodes.values() if node.parameters.get("use_sim_time")]
    clock = s.clock
    publishers = [p.node for p in clock.topic.publishers] if clock else []
    if users and not publishers:
        yield Finding(
            ERROR,
            "/clock",
            f"no publisher, but {listed(users)} use it (use_sim_time)",
            "start the simulator, or set use_sim_time to false",
        )
    if not clock or not publishers:
        return
    if len(publishers) > 1:
        yield several_publishers("/clock", publishers)
    if not users:
        node = s.nodes.get("guard") or s.nodes.get("policy")
        if node is not None and "use_sim_time" in node.parameters:
            yield Finding(
                NOTE,
                "/clock",
                f"published by {listed(publishers)}, but not used by the stack",
                "if images and joint states have simulation timestamps: dbp up --use-sim-time",
            )
        return
    yield from _clock_rate(s, clock)


def _clock_rate(s: Snapshot, clock: SimulatedClock) -> Iterator[Finding]:
    if clock.topic.rate_hz == 0.0:
        yield Finding(ERROR, "/clock", "no message arrives", "check that the simulator is running")
        return
    factor = clock.real_time_factor
    if factor is None:
        return
    if factor <= 0.0:
        yield Finding(ERROR, "/clock", "it does not advance", "check that the simulator is running")
        return
    if not SLOWEST <= factor <= FASTEST:
        yield Finding(
            ERROR,
            "/clock",
            f"it runs at {factor:.3g} times real time, expected {SLOWEST} to {FASTEST:g}",
            "adjust the rate of the simulator",
        )
        return
    expected = s.guard.parameters.get("real_time_factor")
    remedy = "adjust the rate of the simulator"
    if s.is_simulated:
        remedy = f"dbp up --real-time-factor {factor:.2g}"
    if expected and abs(factor - expected) > FACTOR_TOLERANCE * expected:
        yield Finding(
            WARNING,
            "/clock",
            f"it runs at {factor:.2f} times real time, but real_time_factor is {expected:g}: the "
            "limits of the guard are scaled by real_time_factor",
            remedy,
        )


def connections(s: Snapshot) -> Iterator[Finding]:
    """Find publishers and subscribers with incompatible types or QoS."""
    sources = [s.joint_states, s.chunks, *s.cameras]
    topics = [source.topic for source in sources if source]
    topics += [controller.topic for controller in s.controllers]
    for topic in topics:
        for publisher in topic.publishers:
            for subscriber in topic.subscribers:
                if publisher.kind != subscriber.kind:
                    reason = f"different types {publisher.kind} and {subscriber.kind}"
                elif subscriber.reliable and not publisher.reliable:
                    reason = "the subscriber is reliable, the publisher best effort"
                elif subscriber.latched and not publisher.latched:
                    reason = "the subscriber is transient local, the publisher volatile"
                else:
                    continue
                yield Finding(
                    ERROR,
                    topic.name,
                    f"{publisher.node} and {subscriber.node} are incompatible: {reason}",
                    "use the same type and compatible QoS",
                )


def other_stacks(s: Snapshot) -> Iterator[Finding]:
    """Note other stacks in the same domain."""
    if s.other_stacks and any(node.copies for node in s.nodes.values()):
        names = [name or "/" for name in s.other_stacks]
        yield Finding(
            NOTE, "domain", f"other stacks run in {listed(names)}", "see dbp status --namespace"
        )


RULES = (clocks, connections, other_stacks)
