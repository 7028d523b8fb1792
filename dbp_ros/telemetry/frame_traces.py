"""The ways of single pictures, put together from what each process of the stack recorded."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dbp_ros.telemetry.trace import NOBODY, Hop, Recording
from dbp_ros.types import seconds_to_ns

# The hops of a picture, in their order, and the process that tells of each.
WAY = {
    Hop.RENDERED: "simulation",
    Hop.ARRIVED: "policy",
    Hop.ENCODED: "policy",
    Hop.DECIDED: "policy",
    Hop.RECEIVED: "guard",
    Hop.COMMANDED: "guard",
}
# Each process has its own idea of how far the ROS clock is from the steady clock.
SAME_STAMP_NS = seconds_to_ns(0.005)


@dataclass(frozen=True)
class FrameTrace:
    """The way of one picture.

    Attributes:
        camera: Name of its camera.
        stamp_ns: When it was taken.
        spans_ns: Begin and end of what was done with it at each hop, as far as is known.
    """

    camera: str
    stamp_ns: int
    spans_ns: dict[Hop, tuple[int, int]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every hop is known. A picture that was overtaken does not reach the last."""
        return all(hop in self.spans_ns for hop in WAY)

    @property
    def ages_ns(self) -> dict[Hop, int]:
        """How old the picture was when each hop was over."""
        return {hop: end_ns - self.stamp_ns for hop, (_, end_ns) in self.spans_ns.items()}


def frame_traces(recordings: Mapping[str, Recording]) -> list[FrameTrace]:
    """Return the ways of all pictures that the policy was sent, in the order of their stamps.

    Args:
        recordings: By process: `policy`, and where there are, `guard` and `simulation`.
    """
    found = []
    for number, camera in enumerate(recordings["policy"].cameras):
        arrived = of_camera(recordings["policy"], Hop.ARRIVED, number)
        ways = [FrameTrace(camera, int(stamp_ns)) for stamp_ns in arrived[:, 4]]
        for hop, process in WAY.items():
            if process in recordings:
                recording = recordings[process]
                place = _number_of(camera, number, recording)
                _add(hop, of_camera(recording, hop, place), spans_of(recording, hop), ways)
        found += ways
    return sorted(found, key=lambda journey: journey.stamp_ns)


def of_camera(recording: Recording, hop: Hop, camera: int) -> NDArray[np.int64]:
    """Return the rows of a hop that are about pictures of one camera. Shape (rows, 5)."""
    rows = recording.rows
    chosen: NDArray[np.int64] = rows[(rows[:, 0] == hop) & (rows[:, 1] == camera)]
    return chosen


def spans_of(recording: Recording, hop: Hop) -> NDArray[np.int64]:
    """Return the rows of a hop that took time. Shape (rows, 5)."""
    rows = recording.rows
    lasting = (rows[:, 1] == NOBODY) | (rows[:, 2] < rows[:, 3])
    chosen: NDArray[np.int64] = rows[(rows[:, 0] == hop) & lasting]
    return chosen


def _number_of(camera: str, number: int, recording: Recording) -> int:
    """Return the number of a camera in a process; without names it is that of the policy."""
    return recording.cameras.index(camera) if camera in recording.cameras else number


def _add(
    hop: Hop, rows: NDArray[np.int64], spans: NDArray[np.int64], ways: list[FrameTrace]
) -> None:
    """Add a hop to the journeys of one camera whose stamps fit."""
    stamps_ns = np.array([way.stamp_ns for way in ways])
    for _, _, start_ns, end_ns, stamp_ns in rows.tolist():
        if not len(stamps_ns):
            return
        nearest = int(np.abs(stamps_ns - stamp_ns).argmin())
        if abs(ways[nearest].stamp_ns - stamp_ns) > SAME_STAMP_NS:
            continue
        if start_ns == end_ns:
            start_ns, end_ns = _around(end_ns, spans)
        ways[nearest].spans_ns.setdefault(hop, (start_ns, end_ns))


def _around(time_ns: int, spans: NDArray[np.int64]) -> tuple[int, int]:
    """Return begin and end of the span that a mark lies in, the mark itself where there is none."""
    around = spans[(spans[:, 2] <= time_ns) & (time_ns <= spans[:, 3])]
    return (int(around[0, 2]), int(around[0, 3])) if len(around) else (time_ns, time_ns)
