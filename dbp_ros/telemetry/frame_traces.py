"""Traces of single images, joined from the traces of the stack's processes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dbp_ros.telemetry.trace import NO_CAMERA, Hop, Recording
from dbp_ros.types import seconds_to_ns

# Hops of an image in order, with the process that records each.
HOPS = {
    Hop.RENDERED: "simulation",
    Hop.ARRIVED: "policy",
    Hop.ENCODED: "policy",
    Hop.DECIDED: "policy",
    Hop.RECEIVED: "guard",
    Hop.COMMANDED: "guard",
}
# Tolerance of equal stamps: each process estimates the offset of the ROS clock.
SAME_STAMP_NS = seconds_to_ns(0.005)


@dataclass(frozen=True)
class FrameTrace:
    """Trace of one image.

    Attributes:
        camera: Name of its camera.
        stamp_ns: Time of the image.
        spans_ns: Start and end of each recorded hop.
    """

    camera: str
    stamp_ns: int
    spans_ns: dict[Hop, tuple[int, int]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every hop is recorded; a superseded image does not reach the last."""
        return all(hop in self.spans_ns for hop in HOPS)

    @property
    def ages_ns(self) -> dict[Hop, int]:
        """Age of the image at the end of each hop."""
        return {hop: end_ns - self.stamp_ns for hop, (_, end_ns) in self.spans_ns.items()}


def frame_traces(recordings: Mapping[str, Recording]) -> list[FrameTrace]:
    """Return the traces of all images that the policy received, sorted by stamp.

    Args:
        recordings: By process: `policy`, and optionally `guard` and `simulation`.
    """
    found = []
    for index, camera in enumerate(recordings["policy"].cameras):
        arrived = rows_of_camera(recordings["policy"], Hop.ARRIVED, index)
        traces = [FrameTrace(camera, int(stamp_ns)) for stamp_ns in arrived[:, 4]]
        for hop, process in HOPS.items():
            if process in recordings:
                recording = recordings[process]
                rows = rows_of_camera(recording, hop, _index_of(camera, index, recording))
                _add(hop, rows, spans_of(recording, hop), traces)
        found += traces
    return sorted(found, key=lambda trace: trace.stamp_ns)


def rows_of_camera(recording: Recording, hop: Hop, camera: int) -> NDArray[np.int64]:
    """Return the rows of a hop for one camera. Shape (rows, 5)."""
    rows = recording.rows
    chosen: NDArray[np.int64] = rows[(rows[:, 0] == hop) & (rows[:, 1] == camera)]
    return chosen


def spans_of(recording: Recording, hop: Hop) -> NDArray[np.int64]:
    """Return the rows of a hop with a duration. Shape (rows, 5)."""
    rows = recording.rows
    with_duration = (rows[:, 1] == NO_CAMERA) | (rows[:, 2] < rows[:, 3])
    chosen: NDArray[np.int64] = rows[(rows[:, 0] == hop) & with_duration]
    return chosen


def _index_of(camera: str, index: int, recording: Recording) -> int:
    """Return the index of a camera in a process; without camera names, the index in the policy."""
    return recording.cameras.index(camera) if camera in recording.cameras else index


def _add(
    hop: Hop, rows: NDArray[np.int64], spans: NDArray[np.int64], traces: list[FrameTrace]
) -> None:
    """Add a hop to the traces of one camera with matching stamps."""
    stamps_ns = np.array([trace.stamp_ns for trace in traces])
    for _, _, start_ns, end_ns, stamp_ns in rows.tolist():
        if not len(stamps_ns):
            return
        nearest = int(np.abs(stamps_ns - stamp_ns).argmin())
        if abs(traces[nearest].stamp_ns - stamp_ns) > SAME_STAMP_NS:
            continue
        if start_ns == end_ns:
            start_ns, end_ns = _span_around(end_ns, spans)
        traces[nearest].spans_ns.setdefault(hop, (start_ns, end_ns))


def _span_around(time_ns: int, spans: NDArray[np.int64]) -> tuple[int, int]:
    """Return start and end of the span around a time; the time itself if there is none."""
    around = spans[(spans[:, 2] <= time_ns) & (time_ns <= spans[:, 3])]
    return (int(around[0, 2]), int(around[0, 3])) if len(around) else (time_ns, time_ns)
