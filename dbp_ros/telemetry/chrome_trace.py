"""Trace events of the stack in the format of chrome://tracing and ui.perfetto.dev."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dbp_ros.telemetry.frame_traces import HOPS, FrameTrace, spans_of
from dbp_ros.telemetry.trace import NO_CAMERA, Hop, Recording

Event = dict[str, Any]

# Name of each hop, and its thread.
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


def events(recordings: Mapping[str, Recording], traces: Iterable[FrameTrace]) -> list[Event]:
    """Return the events of a trace: tracks with their spans, and a flow for each image.

    Args:
        recordings: By process.
        traces: See `frame_traces`.
    """
    traces = list(traces)
    starts_ns = [int(r.rows[:, 2].min()) for r in recordings.values() if len(r.rows)]
    zero_ns = min(starts_ns, default=0)
    found: list[Event] = []
    for process, recording in recordings.items():
        found += _tracks(process)
        found += _slices(process, recording, zero_ns)
    for number, trace in enumerate(traces):
        found += _flow_events(number, trace, zero_ns)
    return found


def _tracks(process: str) -> Iterator[Event]:
    pid = PROCESSES.index(process)
    yield {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": process}}
    yield {"ph": "M", "name": "process_sort_index", "pid": pid, "args": {"sort_index": pid}}
    for hop, (_, thread) in NAMES.items():
        if _process_of(hop) == process and _track_of(hop) == hop:
            track = {"ph": "M", "pid": pid, "tid": int(hop)}
            yield track | {"name": "thread_name", "args": {"name": thread}}
            yield track | {"name": "thread_sort_index", "args": {"sort_index": int(hop)}}


def _slices(process: str, recording: Recording, zero_ns: int) -> Iterator[Event]:
    for hop, (name, _) in NAMES.items():
        if _process_of(hop) != process:
            continue
        for _, camera, start_ns, end_ns, stamp_ns in spans_of(recording, hop).tolist():
            slice_ = _event("X", hop, start_ns - zero_ns)
            slice_ |= {"name": name, "cat": process, "dur": (end_ns - start_ns) / 1e3}
            if camera != NO_CAMERA:
                is_named = camera < len(recording.cameras)
                slice_["args"] = {
                    "camera": recording.cameras[camera] if is_named else camera,
                    "age_ms": (end_ns - stamp_ns) / 1e6,
                }
            yield slice_


def _flow_events(number: int, trace: FrameTrace, zero_ns: int) -> Iterator[Event]:
    """Connect the hops of one image; each flow event lies within a slice.

    It is the earliest time of the slice that is not before the last flow event: an image arrives
    while the sender is still sending it.
    """
    hops = [hop for hop in HOPS if hop in trace.spans_ns]
    time_ns = 0
    for index, hop in enumerate(hops if len(hops) > 1 else ()):
        start_ns, end_ns = trace.spans_ns[hop]
        time_ns = min(max(start_ns, time_ns), end_ns)
        kind = "s" if index == 0 else "f" if index == len(hops) - 1 else "t"
        flow = _event(kind, hop, time_ns - zero_ns)
        yield flow | {"id": number, "name": trace.camera, "cat": "image", "bp": "e"}


def _event(kind: str, hop: Hop, time_ns: int) -> Event:
    return {
        "ph": kind,
        "pid": PROCESSES.index(_process_of(hop)),
        "tid": _track_of(hop),
        "ts": time_ns / 1e3,
    }


def _track_of(hop: Hop) -> int:
    """Return the number of a hop's thread: that of the thread's first hop."""
    return min(int(other) for other in NAMES if NAMES[other][1] == NAMES[hop][1])


def _process_of(hop: Hop) -> str:
    return HOPS.get(hop, "simulation")
