"""State of control in a recording, which explains missing commands."""

from pathlib import Path

from dbp_ros.data.bags.bag_summary import GUARD_STATE, read_summary
from dbp_ros.data.bags.rosbag import STRING, Rosbag
from dbp_ros.guard_state import GuardState

GUARD_STATE_TOPIC = "/guard/state"


def disabled_control(path: Path) -> str:
    """Return a sentence about control that was never enabled; empty if it was, or if unknown.

    Args:
        path: A bag.
    """
    summary = read_summary(path) if path.is_file() else None
    with Rosbag(path) as bag:
        topics = [one for one in bag.of_types(STRING) if one.endswith(GUARD_STATE_TOPIC)]
        if summary is not None and GUARD_STATE in summary.topics:
            topics = [summary.topics[GUARD_STATE]]
        states = [GuardState.parse(message.value.data) for message in bag.messages(topics)]
    if not states or any(state.enabled for state in states):
        return ""
    return (
        f"no command was sent in {path.name}, as control was never enabled (state of the guard: "
        f"{states[-1]}): run `dbp enable` before recording"
    )
