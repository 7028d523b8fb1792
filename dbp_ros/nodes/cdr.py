"""CDR codec for the messages of the control loops.

A subscription with `raw=True` passes on serialised messages, and a publisher accepts them. Reading
the few required fields takes a third of the time of a full deserialisation.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.types import NS_PER_S, Array

BYTE_ORDERS = {b"\x00\x00": ">", b"\x00\x01": "<"}
HEADER = b"\x00\x01\x00\x00"
# Size of the encapsulation header, from whose end fields are aligned.
START = 4
DOUBLE = 8
# Exceptions of reading a malformed message.
UNREADABLE = (struct.error, ValueError)


class CachedNames:
    """Cache of a sequence of strings that rarely changes between messages.

    Attributes:
        encoded: Serialised strings.
        names: Strings.
    """

    def __init__(self) -> None:
        self.encoded = b""
        self.names: tuple[str, ...] = ()


class CdrReader:
    """Sequential reader of the fields of a message in plain CDR; raises `UNREADABLE`."""

    def __init__(self, message: bytes) -> None:
        """Start after the encapsulation header."""
        if message[:2] not in BYTE_ORDERS:
            raise ValueError(f"its bytes begin with {message[:2].hex()}, expected 0001")
        self._order = BYTE_ORDERS[message[:2]]
        self._message = message
        self._offset = START

    def numbers(self, kinds: str) -> tuple[Any, ...]:
        """Return aligned numbers of four bytes each, with `struct` formats `i` or `I`."""
        self._offset += -self._offset % 4
        values = struct.unpack_from(self._order + kinds, self._message, self._offset)
        self._offset += 4 * len(kinds)
        return values

    def byte(self) -> int:
        """Return an octet."""
        return self._take(1)[0]

    def data(self) -> memoryview:
        """Return a sequence of octets, as a view."""
        (count,) = self.numbers("I")
        return self._take(count)

    def text(self) -> str:
        """Return a string."""
        return bytes(self.data()).rstrip(b"\x00").decode()

    def names(self, cache: CachedNames) -> tuple[str, ...]:
        """Return a sequence of strings: that of the cache if it is equal."""
        self._offset += -self._offset % 4
        end = self._offset + len(cache.encoded)
        if cache.encoded and self._message[self._offset : end] == cache.encoded:
            self._offset = end
            return cache.names
        start = self._offset
        (count,) = self.numbers("I")
        cache.names = tuple(self.text() for _ in range(count))
        cache.encoded = self._message[start : self._offset]
        return cache.names

    def names_from(self, caches: list[CachedNames], limit: int) -> CachedNames:
        """Return the cache of a sequence of strings.

        Args:
            caches: Caches of earlier sequences, such as one per publisher. A new one is appended.
            limit: Largest number of caches; the oldest is dropped.
        """
        self._offset += -self._offset % 4
        for cache in caches:
            if cache.encoded and self._message.startswith(cache.encoded, self._offset):
                self._offset += len(cache.encoded)
                return cache
        new = CachedNames()
        self.names(new)
        caches.append(new)
        del caches[:-limit]
        return new

    def doubles(self) -> Array:
        """Return a sequence of doubles, as a view. Shape (count,)."""
        (count,) = self.numbers("I")
        if count:
            self._offset += (START - self._offset) % DOUBLE
        return np.frombuffer(self._take(DOUBLE * count), f"{self._order}f8")

    def time(self) -> int:
        """Return a time or a duration in [ns]."""
        sec, nanosec = self.numbers("iI")
        return int(sec) * NS_PER_S + int(nanosec)

    def header(self) -> int:
        """Read a header and return its stamp in [ns]."""
        stamp_ns = self.time()
        self.data()
        return stamp_ns

    def points(self, joints: int) -> tuple[Array, NDArray[np.int64]]:
        """Return the points of a `trajectory_msgs/msg/JointTrajectory`.

        Args:
            joints: Number of positions per point.

        Returns:
            Positions, and times from the start in [ns]. Shapes (points, joints) and (points,).
        """
        (count,) = self.numbers("I")
        # Points with positions only have a fixed size, except for the first, whose count may be
        # four bytes earlier.
        kind = _plain_point(self._order, joints)
        start = self._offset + (self._offset - START + 4) % DOUBLE
        if count and start + count * kind.itemsize <= len(self._message):
            points = np.frombuffer(self._message, kind, count, start)
            (first,) = struct.unpack_from(f"{self._order}I", self._message, self._offset)
            plain = first == joints and (points["joints"][1:] == joints).all()
            if plain and not points["others"].any():
                sec, nanosec = points["sec"].astype(np.int64), points["nanosec"]
                return points["positions"], sec * NS_PER_S + nanosec
        return self._general_points(count, joints)

    def _general_points(self, count: int, joints: int) -> tuple[Array, NDArray[np.int64]]:
        positions, times_ns = [], []
        for _ in range(count):
            positions.append(self.doubles())
            for _ in ("velocities", "accelerations", "effort"):
                self.doubles()
            times_ns.append(self.time())
            if len(positions[-1]) != joints:
                raise ValueError(f"a point does not have {joints} positions")
        return np.reshape(positions, (count, joints)), np.array(times_ns, dtype=np.int64)

    def _take(self, count: int) -> memoryview:
        found = memoryview(self._message)[self._offset : self._offset + count]
        if len(found) < count:
            raise ValueError(f"it ends {count - len(found)} bytes too early")
        self._offset += count
        return found


@lru_cache(maxsize=8)
def _plain_point(order: str, joints: int) -> np.dtype[np.void]:
    return np.dtype(
        [
            ("joints", f"{order}u4"),
            ("positions", f"{order}f8", (joints,)),
            ("others", f"{order}u4", (3,)),
            ("sec", f"{order}i4"),
            ("nanosec", f"{order}u4"),
        ]
    )


def read_command(message: bytes) -> Array:
    """Return the data of a `std_msgs/msg/Float64MultiArray`, as a view; raises `UNREADABLE`."""
    reader = CdrReader(message)
    (dimensions,) = reader.numbers("I")
    for _ in range(dimensions):
        reader.text()
        reader.numbers("II")
    reader.numbers("I")
    return reader.doubles()


class TrajectoryWriter:
    """Serialiser of positions as a `trajectory_msgs/msg/JointTrajectory`."""

    def __init__(self, joints: Sequence[str]) -> None:
        """Serialise the constant parts.

        Args:
            joints: Names of the joints.
        """
        # An empty frame id, then the names.
        names = struct.pack("<I", len(joints)) + b"".join(map(_encode, joints))
        self._names = _encode("") + names
        self._kind = _plain_point("<", len(joints))

    def write(self, stamp_ns: int, positions: Array, from_start_ns: NDArray[np.int64]) -> bytes:
        """Return a serialised message.

        Args:
            stamp_ns: Stamp in [ns].
            positions: Positions in [rad] and [m]. Shape (points, joints), at least one point.
            from_start_ns: Times from the stamp, in [ns]. Shape (points,).
        """
        points = np.empty(len(positions), self._kind)
        points["joints"], points["others"] = positions.shape[1], 0
        points["positions"] = positions
        points["sec"], points["nanosec"] = np.divmod(from_start_ns, NS_PER_S)
        stamp = struct.pack("<iI", *divmod(stamp_ns, NS_PER_S))
        head = HEADER + stamp + self._names + struct.pack("<I", len(positions))
        if (len(head) - START) % DOUBLE == 0:
            # Then padding follows the count of the first point: a second copy of the count.
            head += struct.pack("<I", positions.shape[1])
        return head + points.tobytes()


def _encode(text: str) -> bytes:
    content = text.encode() + b"\x00"
    return struct.pack("<I", len(content)) + content + bytes(-len(content) % 4)


class CommandWriter:
    """Serialiser of positions as the command of a forward command controller."""

    def __init__(self, joints: int) -> None:
        """Serialise the constant parts.

        Args:
            joints: Number of positions of a command.
        """
        # No dimensions, no offset, the count, padding.
        self._head = HEADER + struct.pack("<III4x", 0, 0, joints)

    def write(self, positions: Array) -> bytes:
        """Return a serialised `std_msgs/msg/Float64MultiArray`.

        Args:
            positions: Positions in [rad] and [m]. Shape (joints,).
        """
        return self._head + positions.astype("<f8", copy=False).tobytes()
