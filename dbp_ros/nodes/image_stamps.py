"""Image stamps of action chunks, which a trajectory message cannot carry, for latency statistics.

They are a `std_msgs/msg/Int64MultiArray` in [ns]: the stamp of a chunk, then that of the image of
each camera, in the order of the model. They apply from this chunk until the next message.
"""

import struct
from collections import deque

from dbp_ros.errors import ObservationError
from dbp_ros.nodes.cdr import HEADER
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.types import NS_PER_S, ActionChunk

TOPIC = "action_chunk/image_stamps"
# Byte order, no dimensions, no offset, number of values; then the values, aligned.
HEAD = struct.Struct("<4sIII4x")
MAX_CAMERAS = 32
# Any stamp up to here fits into 64 bits on every clock.
MAX_STAMP_NS = 5 * 10**18
# Two chunks are further apart. The clock estimate of a receiver changes by less between messages.
TOLERANCE_NS = 500_000
# Older stamps are not those of a chunk, but of a policy that published before `dbp home`.
LARGEST_AGE_NS = NS_PER_S
QUEUED = 4


class ImageStampsWriter:
    """Serialiser of the image stamps of chunks when they change."""

    def __init__(self, clock: SteadyClock) -> None:
        self._clock = clock
        self._last: tuple[int, ...] = ()

    def write(self, chunk: ActionChunk) -> bytes | None:
        """Return a serialised message; None if the images are those of the last chunk."""
        stamps_ns = chunk.image_stamps_ns
        if stamps_ns == self._last:
            return None
        self._last, ros_ns = stamps_ns, self._clock.mapping.ros_ns
        data = [ros_ns(chunk.stamp_ns), *map(ros_ns, stamps_ns)]
        return HEAD.pack(HEADER, 0, 0, len(data)) + struct.pack(f"<{len(data)}q", *data)


class ImageStampsReader:
    """Image stamps of the newest chunks, on the steady clock."""

    def __init__(self, clock: SteadyClock) -> None:
        self._clock = clock
        self._newest: deque[tuple[int, tuple[int, ...]]] = deque(maxlen=QUEUED)

    def add(self, message: bytes) -> None:
        """Add a serialised message.

        Raises:
            ObservationError: If it is invalid.
        """
        count = (len(message) - HEAD.size) // 8
        # A policy without cameras has the stamp of the chunk only.
        if not 1 <= count <= 1 + MAX_CAMERAS or HEAD.unpack_from(message) != (HEADER, 0, 0, count):
            raise ObservationError(f"{TOPIC} has no image stamps in its {len(message)} bytes")
        data = struct.unpack_from(f"<{count}q", message, HEAD.size)
        if not 0 <= min(data) <= max(data) < MAX_STAMP_NS:
            raise ObservationError(f"{TOPIC} has a stamp out of range")
        chunk_ns, *stamps_ns = map(self._clock.mapping.steady_ns, data)
        self._newest.appendleft((chunk_ns, tuple(stamps_ns)))

    def stamps_of(self, chunk: ActionChunk) -> tuple[int, ...]:
        """Return the image stamps of a chunk; empty if they are unknown."""
        for chunk_ns, stamps_ns in self._newest:
            if -TOLERANCE_NS <= chunk.stamp_ns - chunk_ns < LARGEST_AGE_NS:
                return stamps_ns
        return ()
