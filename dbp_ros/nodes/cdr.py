"""Messages read from the very bytes that came, and written as the bytes to send.

A subscription with `raw=True` hands over the bytes of a message, and a publisher sends bytes as
they are. Reading the few fields that matter from them costs a third of building the message; a
loop that runs 500 times a second has no time for the rest.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.types import NS_PER_S, Array

ORDERS = {b"\x00\x00": ">", b"\x00\x01": "<"}
LITTLE = b"\x00\x01\x00\x00"
# The bytes before the fields, from whose end on these are aligned.
START = 4
DOUBLE = 8
# What reading raises where something does not fit.
UNREADABLE = (struct.error, ValueError)


class Names:
    """A sequence of strings that is the same in message after message, and then not read again."""

    def __init__(self) -> None:
        self.content = b""
        self.texts: tuple[str, ...] = ()


class CdrReader:
    """Reads the fields of a message in plain CDR, one after the other; raises `UNREADABLE`."""

    def __init__(self, message: bytes) -> None:
        """Begin after the first four bytes, which say how the rest is written."""
        if message[:2] not in ORDERS:
            raise ValueError(f"its bytes begin with {message[:2].hex()}, expected 0001")
        self._order = ORDERS[message[:2]]
        self._message = message
        self._at = START

    def numbers(self, kinds: str) -> tuple[Any, ...]:
        """Return numbers of four bytes each, `i` or `I`, aligned."""
        self._at += -self._at % 4
        values = struct.unpack_from(self._order + kinds, self._message, self._at)
        self._at += 4 * len(kinds)
        return values

    def byte(self) -> int:
        """Return a number of one byte."""
        return self._take(1)[0]

    def data(self) -> memoryview:
        """Return a sequence of bytes, as a view."""
        (count,) = self.numbers("I")
        return self._take(count)

    def text(self) -> str:
        """Return a string."""
        return bytes(self.data()).rstrip(b"\x00").decode()

    def names(self, known: Names) -> tuple[str, ...]:
        """Return a sequence of strings, the same object where it is what is known."""
        self._at += -self._at % 4
        end = self._at + len(known.content)
        if known.content and self._message[self._at : end] == known.content:
            self._at = end
            return known.texts
        start = self._at
        (count,) = self.numbers("I")
        known.texts = tuple(self.text() for _ in range(count))
        known.content = self._message[start : self._at]
        return known.texts

    def names_among(self, known: list[Names], limit: int) -> Names:
        """Return a sequence of strings, one of `known` where it was read before.

        Args:
            known: Sequences read before, such as one for each publisher of a topic; a new one is
                added, and the first is dropped beyond `limit`.
            limit: Most sequences to keep.
        """
        self._at += -self._at % 4
        for names in known:
            if names.content and self._message.startswith(names.content, self._at):
                self._at += len(names.content)
                return names
        new = Names()
        self.names(new)
        known.append(new)
        del known[:-limit]
        return new

    def doubles(self) -> Array:
        """Return a sequence of numbers, as a view. Shape (count,)."""
        (count,) = self.numbers("I")
        if count:
            self._at += (START - self._at) % DOUBLE
        return np.frombuffer(self._take(DOUBLE * count), f"{self._order}f8")

    def time(self) -> int:
        """Return a time or a duration in [ns]."""
        sec, nanosec = self.numbers("iI")
        return int(sec) * NS_PER_S + int(nanosec)

    def header(self) -> int:
        """Return the stamp of a header in [ns] and pass the header."""
        stamp_ns = self.time()
        self.data()
        return stamp_ns

    def points(self, joints: int) -> tuple[Array, NDArray[np.int64]]:
        """Return the points of a `trajectory_msgs/msg/JointTrajectory`.

        Args:
            joints: How many positions each has.

        Returns:
            Positions, and times from the start in [ns]. Shapes (points, joints) and (points,).
        """
        (count,) = self.numbers("I")
        # Most often all points are alike: positions alone. Then they lie in a regular pattern, but
        # for the first, whose count may be four bytes further ahead.
        kind = _plain_point(self._order, joints)
        start = self._at + (self._at - START + 4) % DOUBLE
        if count and start + count * kind.itemsize <= len(self._message):
            points = np.frombuffer(self._message, kind, count, start)
            (first,) = struct.unpack_from(f"{self._order}I", self._message, self._at)
            alike = first == joints and (points["joints"][1:] == joints).all()
            if alike and not points["others"].any():
                sec, nanosec = points["sec"].astype(np.int64), points["nanosec"]
                return points["positions"], sec * NS_PER_S + nanosec
        return self._points_one_by_one(count, joints)

    def _points_one_by_one(self, count: int, joints: int) -> tuple[Array, NDArray[np.int64]]:
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
        found = memoryview(self._message)[self._at : self._at + count]
        if len(found) < count:
            raise ValueError(f"it ends {count - len(found)} bytes too early")
        self._at += count
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


def command_of(message: bytes) -> Array:
    """Return the numbers of a `std_msgs/msg/Float64MultiArray`, as a view; raises `UNREADABLE`."""
    reader = CdrReader(message)
    (dimensions,) = reader.numbers("I")
    for _ in range(dimensions):
        reader.text()
        reader.numbers("II")
    reader.numbers("I")
    return reader.doubles()


class TrajectoryWriter:
    """Writes points of positions as a `trajectory_msgs/msg/JointTrajectory`."""

    def __init__(self, joints: Sequence[str]) -> None:
        """Prepare what is the same in every trajectory.

        Args:
            joints: Whose positions they are.
        """
        # An empty frame id, then the names.
        names = struct.pack("<I", len(joints)) + b"".join(map(_written, joints))
        self._names = _written("") + names
        self._kind = _plain_point("<", len(joints))

    def write(self, stamp_ns: int, positions: Array, from_start_ns: NDArray[np.int64]) -> bytes:
        """Return the bytes of a message.

        Args:
            stamp_ns: Its stamp, in [ns].
            positions: In [rad] and [m]. Shape (points, joints), at least one.
            from_start_ns: When each is due after the stamp, in [ns]. Shape (points,).
        """
        points = np.empty(len(positions), self._kind)
        points["joints"], points["others"] = positions.shape[1], 0
        points["positions"] = positions
        points["sec"], points["nanosec"] = np.divmod(from_start_ns, NS_PER_S)
        stamp = struct.pack("<iI", *divmod(stamp_ns, NS_PER_S))
        head = LITTLE + stamp + self._names + struct.pack("<I", len(positions))
        if (len(head) - START) % DOUBLE == 0:
            # Then the positions lie four bytes further on, and before them their count in vain.
            head += struct.pack("<I", positions.shape[1])
        return head + points.tobytes()


def _written(text: str) -> bytes:
    content = text.encode() + b"\x00"
    return struct.pack("<I", len(content)) + content + bytes(-len(content) % 4)


class CommandWriter:
    """Writes positions as the message a forward command controller takes."""

    def __init__(self, joints: int) -> None:
        """Prepare what is the same in every command.

        Args:
            joints: How many positions a command has.
        """
        # No dimensions, no offset, then the numbers, aligned.
        self._head = LITTLE + struct.pack("<III4x", 0, 0, joints)

    def write(self, positions: Array) -> bytes:
        """Return the bytes of a `std_msgs/msg/Float64MultiArray`.

        Args:
            positions: In [rad] and [m]. Shape (joints,).
        """
        return self._head + positions.astype("<f8", copy=False).tobytes()
