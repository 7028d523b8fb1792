"""Trace of one process: a ring buffer of time spans that is always enabled.

A span costs about a microsecond without a lasting allocation and overwrites the oldest span. All
times are on the steady clock, which the processes of one machine share.
"""

import base64
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.errors import DbpError
from dbp_ros.telemetry.latency import Histogram
from dbp_ros.types import NS_PER_S

ROWS = 1 << 15
ROW = struct.Struct("=qqqqq")
NO_CAMERA = -1
# After a pause of this length the ages of images include the pause.
PAUSED_NS = NS_PER_S // 4


class Hop(IntEnum):
    """Processing stages of an image, in order; and the physics of the simulation."""

    RENDERED = 1
    ARRIVED = 2
    ENCODED = 3
    DECIDED = 4
    RECEIVED = 5
    COMMANDED = 6
    PHYSICS = 7


@dataclass(frozen=True)
class Recording:
    """Content of a trace.

    Attributes:
        cameras: Names of the cameras by index; empty if unknown.
        rows: Hop, camera index or `NO_CAMERA`, start, end and image stamp, the times in [ns].
            Shape (rows, 5), sorted by end.
    """

    cameras: tuple[str, ...]
    rows: NDArray[np.int64]


class Trace:
    """Ring buffer of time spans. Thread-safe.

    Attributes:
        cameras: Names of the cameras by index.
    """

    def __init__(self, rows: int = ROWS) -> None:
        self.cameras: tuple[str, ...] = ()
        self._rows = rows
        self._memory = bytearray(rows * ROW.size)
        self._count = count()

    def add_span(
        self, hop: Hop, start_ns: int, end_ns: int, camera: int = NO_CAMERA, stamp_ns: int = 0
    ) -> None:
        """Record a span.

        Args:
            hop: Processing stage.
            start_ns: Start.
            end_ns: End; equal to `start_ns` for the use of an image within a longer span.
            camera: Index of the camera.
            stamp_ns: Time of the image.
        """
        offset = next(self._count) % self._rows * ROW.size
        ROW.pack_into(self._memory, offset, hop, camera, start_ns, end_ns, stamp_ns)

    def recording(self) -> Recording:
        """Return a copy of the content."""
        rows = np.frombuffer(bytes(self._memory), np.int64).reshape(-1, 5)
        rows = rows[rows[:, 0] > 0]
        return Recording(self.cameras, rows[np.argsort(rows[:, 3], kind="stable")])

    def to_text(self) -> str:
        """Return the content as JSON with compressed rows."""
        recording = self.recording()
        rows = base64.b64encode(zlib.compress(recording.rows.tobytes(), 1)).decode()
        return json.dumps({"cameras": recording.cameras, "rows": rows})


def parse_recording(text: str) -> Recording:
    """Parse a text of `Trace.to_text`.

    Raises:
        DbpError: If it is invalid.
    """
    try:
        values: dict[str, Any] = json.loads(text)
        content = zlib.decompress(base64.b64decode(values["rows"]))
        rows = np.frombuffer(content, np.int64).reshape(-1, 5)
        return Recording(tuple(values["cameras"]), rows)
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise DbpError(f"a trace cannot be read ({error}): {text[:80]!r}") from error


class LatencyProbe:
    """Age of each image at its first use in a hop. Not thread-safe.

    Attributes:
        age: Ages of images, each counted once.
    """

    def __init__(self, hop: Hop, trace: Trace) -> None:
        self.age = Histogram()
        self._hop = hop
        self._trace = trace
        self._last_stamps_ns: tuple[int, ...] = ()
        self._recorded_ns = 0

    def record(self, stamps_ns: Sequence[int], now_ns: int) -> None:
        """Record the use of the images with these stamps.

        The first images, and those after a pause, are not counted: their age is not the latency
        of the hop.

        Args:
            stamps_ns: Time of the newest image of each camera.
            now_ns: End of the use.
        """
        last_stamps_ns, self._last_stamps_ns = self._last_stamps_ns, tuple(stamps_ns)
        recorded_ns, self._recorded_ns = self._recorded_ns, now_ns
        if len(last_stamps_ns) != len(stamps_ns) or now_ns - recorded_ns > PAUSED_NS:
            return
        for camera, (last_ns, stamp_ns) in enumerate(zip(last_stamps_ns, stamps_ns, strict=True)):
            if stamp_ns != last_ns:
                self.age.record(now_ns - stamp_ns)
                self._trace.add_span(self._hop, now_ns, now_ns, camera, stamp_ns)
