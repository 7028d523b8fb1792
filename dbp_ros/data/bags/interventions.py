"""Interventions of a human in a recorded episode."""

from dbp_ros.data.bags.bag import Bag


def intervention_intervals(bag: Bag) -> list[tuple[int, int]]:
    """Return the times in [ns] from which and until which a human drove the arms."""
    messages = bag.messages.get("intervention", [])
    last_ns = max((stamp_ns for role in bag.messages.values() for stamp_ns, _ in role), default=0)
    found: list[tuple[int, int]] = []
    start_ns: int | None = None
    for stamp_ns, message in sorted(messages, key=lambda pair: pair[0]):
        if message.data and start_ns is None:
            start_ns = stamp_ns
        elif not message.data and start_ns is not None:
            found.append((start_ns, stamp_ns))
            start_ns = None
    return found if start_ns is None else [*found, (start_ns, last_ns)]
