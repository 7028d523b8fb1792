"""What happened when, in every process of the stack: a ring of fixed size, always recording.

A row costs about a microsecond and allocates nothing that stays; the oldest is overwritten. All
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
NOBODY = -1
# Whoever was paused for longer than this has seen no picture go by.
PAUSED_NS = NS_PER_S // 4


class Hop(IntEnum):
    """What takes time on the way of a picture, in the order of the way; and the physics."""

    RENDERED = 1
    ARRIVED = 2
    ENCODED = 3
    DECIDED = 4
    RECEIVED = 5
    COMMANDED = 6
    PHYSICS = 7


@dataclass(frozen=True)
class Recording:
    """What one process did.

    Attributes:
        cameras: Names of the cameras, in the order of their numbers; empty where not known.
        rows: Hop, camera or `NOBODY`, begin, end, and the stamp of what it was done with, in
            [ns]. Shape (rows, 5), in the order in which they ended.
    """

    cameras: tuple[str, ...]
    rows: NDArray[np.int64]


class Trace:
    """Records spans of time. Any thread may record."""

    def __init__(self, rows: int = ROWS) -> None:
        self.cameras: tuple[str, ...] = ()
        self._rows = rows
        self._memory = bytearray(rows * ROW.size)
        self._numbers = count()

    def span(
        self, hop: Hop, start_ns: int, end_ns: int, camera: int = NOBODY, stamp_ns: int = 0
    ) -> None:
        """Record that a hop took from one time to another.

        Args:
            hop: Which.
            start_ns: When it began.
            end_ns: When it ended; equal to `start_ns` for a mark: a picture went by.
            camera: Number of the camera whose picture it was about.
            stamp_ns: When that picture was taken.
        """
        place = next(self._numbers) % self._rows * ROW.size
        ROW.pack_into(self._memory, place, hop, camera, start_ns, end_ns, stamp_ns)

    def recording(self) -> Recording:
        """Return a copy of what is in the ring."""
        rows = np.frombuffer(bytes(self._memory), np.int64).reshape(-1, 5)
        rows = rows[rows[:, 0] > 0]
        return Recording(self.cameras, rows[np.argsort(rows[:, 3], kind="stable")])

    def to_text(self) -> str:
        """Return what is in the ring in letters, compressed."""
        recording = self.recording()
        rows = base64.b64encode(zlib.compress(recording.rows.tobytes(), 1)).decode()
        return json.dumps({"cameras": recording.cameras, "rows": rows})


def recording_of(text: str) -> Recording:
    """Return the recording that a text of `Trace.to_text` holds.

    Raises:
        DbpError: If it holds none.
    """
    try:
        values: dict[str, Any] = json.loads(text)
        content = zlib.decompress(base64.b64decode(values["rows"]))
        rows = np.frombuffer(content, np.int64).reshape(-1, 5)
        return Recording(tuple(values["cameras"]), rows)
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise DbpError(f"a trace cannot be read ({error}): {text[:80]!r}") from error


class LatencyProbe:
    """Tells when something is first made from a picture, and keeps how old the picture was then.

    Not thread-safe: one thread owns it.

    Attributes:
        age: Ages of pictures, each counted once.
    """

    def __init__(self, hop: Hop, trace: Trace) -> None:
        self.age = Histogram()
        self._hop = hop
        self._trace = trace
        self._seen_ns: tuple[int, ...] = ()
        self._noted_ns = 0

    def note(self, stamps_ns: Sequence[int], now_ns: int) -> None:
        """Note that something was made from the pictures with these stamps.

        Pictures that were there at the beginning, or after a pause, waited for somebody to look
        and not for the way: they are not counted.

        Args:
            stamps_ns: When the newest picture of each camera was taken.
            now_ns: When what was made of them was done.
        """
        seen_ns, self._seen_ns = self._seen_ns, tuple(stamps_ns)
        noted_ns, self._noted_ns = self._noted_ns, now_ns
        if len(seen_ns) != len(stamps_ns) or now_ns - noted_ns > PAUSED_NS:
            return
        for camera, (before_ns, stamp_ns) in enumerate(zip(seen_ns, stamps_ns, strict=True)):
            if stamp_ns != before_ns:
                self.age.record(now_ns - stamp_ns)
                self._trace.span(self._hop, now_ns, now_ns, camera, stamp_ns)
