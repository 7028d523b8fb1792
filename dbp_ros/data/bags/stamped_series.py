"""Timestamped values with lookup by time."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Generic, TypeVar

# Tolerance of a stamp, since the policy converts stamps between clocks and back.
STAMP_TOLERANCE_NS = 1_000_000

Value = TypeVar("Value")


class StampedSeries(Generic[Value]):
    """Timestamped values with lookup by time."""

    def __init__(self, samples: Iterable[tuple[int, Value]]) -> None:
        """Store samples, given in any order."""
        ordered = sorted(samples, key=lambda sample: sample[0])
        self.stamps_ns = [stamp_ns for stamp_ns, _ in ordered]
        self.values = [value for _, value in ordered]

    def latest(self, stamp_ns: int) -> Value | None:
        """Return the newest value at or before a time, or None."""
        index = bisect_right(self.stamps_ns, stamp_ns) - 1
        return self.values[index] if index >= 0 else None

    def at(self, stamp_ns: int) -> Value | None:
        """Return the value with this stamp, within `STAMP_TOLERANCE_NS`, or None."""
        index = bisect_right(self.stamps_ns, stamp_ns + STAMP_TOLERANCE_NS) - 1
        found = index >= 0 and abs(self.stamps_ns[index] - stamp_ns) <= STAMP_TOLERANCE_NS
        return self.values[index] if found else None

    def between(self, start_ns: int, end_ns: int) -> list[Value]:
        """Return the values in effect in an interval: the last one before it, and all within."""
        first = max(0, bisect_right(self.stamps_ns, start_ns) - 1)
        return self.values[first : bisect_right(self.stamps_ns, end_ns)]
