"""A run of the stack in the format that chrome://tracing and ui.perfetto.dev open."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dbp_ros.telemetry.frame_traces import WAY, FrameTrace, spans_of
from dbp_ros.telemetry.trace import NOBODY, Hop, Recording

Event = dict[str, Any]

# What a hop is called, and the thread that does it.
NAMES = {
    Hop.RENDERED: ("render and send", "cameras"),
    Hop.PHYSICS: ("physics", "physics"),
    Hop.ARRIVED: ("arrive", "callbacks"),
    Hop.ENCODED: ("encode", "encoder"),
    Hop.DECIDED: ("decide and send", "decisions"),
    Hop.RECEIVED: ("receive", "commands"),
    Hop.COMMANDED: ("command", "commands"),
}
PROCESSES = ("simulation", "policy", "guard")


def events(recordings: Mapping[str, Recording], ways: Iterable[FrameTrace]) -> list[Event]:
    """Return the events of a trace: tracks, what was done on each, and an arrow a picture.

    Args:
        recordings: By process.
        ways: See `journeys`.
    """
    ways = list(ways)
    starts_ns = [int(r.rows[:, 2].min()) for r in recordings.values() if len(r.rows)]
    zero_ns = min(starts_ns, default=0)
    found: list[Event] = []
    for process, recording in recordings.items():
        found += _tracks(process)
        found += _slices(process, recording, zero_ns)
    for number, way in enumerate(ways):
        found += _arrows(number, way, zero_ns)
    return found


def _tracks(process: str) -> Iterator[Event]:
    pid = PROCESSES.index(process)
    yield {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": process}}
    yield {"ph": "M", "name": "process_sort_index", "pid": pid, "args": {"sort_index": pid}}
    for hop, (_, thread) in NAMES.items():
        if _process_of(hop) == process and _track_of(hop) == hop:
            about = {"ph": "M", "pid": pid, "tid": int(hop)}
            yield about | {"name": "thread_name", "args": {"name": thread}}
            yield about | {"name": "thread_sort_index", "args": {"sort_index": int(hop)}}


def _slices(process: str, recording: Recording, zero_ns: int) -> Iterator[Event]:
    for hop, (name, _) in NAMES.items():
        if _process_of(hop) != process:
            continue
        for _, camera, start_ns, end_ns, stamp_ns in spans_of(recording, hop).tolist():
            slice_ = _event("X", hop, start_ns - zero_ns)
            slice_ |= {"name": name, "cat": process, "dur": (end_ns - start_ns) / 1e3}
            if camera != NOBODY:
                known = camera < len(recording.cameras)
                slice_["args"] = {
                    "camera": recording.cameras[camera] if known else camera,
                    "age_ms": (end_ns - stamp_ns) / 1e6,
                }
            yield slice_


def _arrows(number: int, way: FrameTrace, zero_ns: int) -> Iterator[Event]:
    """Join the hops of one picture; each end of an arrow lies within a slice.

    It is the slice's earliest time that is not before the last end: a picture arrives while the
    sender is still busy sending it.
    """
    hops = [hop for hop in WAY if hop in way.spans_ns]
    time_ns = 0
    for place, hop in enumerate(hops if len(hops) > 1 else ()):
        start_ns, end_ns = way.spans_ns[hop]
        time_ns = min(max(start_ns, time_ns), end_ns)
        kind = "s" if place == 0 else "f" if place == len(hops) - 1 else "t"
        arrow = _event(kind, hop, time_ns - zero_ns)
        yield arrow | {"id": number, "name": way.camera, "cat": "picture", "bp": "e"}


def _event(kind: str, hop: Hop, time_ns: int) -> Event:
    return {
        "ph": kind,
        "pid": PROCESSES.index(_process_of(hop)),
        "tid": _track_of(hop),
        "ts": time_ns / 1e3,
    }


def _track_of(hop: Hop) -> int:
    """Return the number of a hop's thread: that of the first hop which it does."""
    return min(int(other) for other in NAMES if NAMES[other][1] == NAMES[hop][1])


def _process_of(hop: Hop) -> str:
    return WAY.get(hop, "simulation")
