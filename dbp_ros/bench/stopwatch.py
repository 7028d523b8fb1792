"""Times of calls that take turns, so that what else the machine does hits all of them alike."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from dbp_ros.contract import Array

Call = Callable[[], object]

# A call is repeated for so long before it is the next one's turn.
SLICE_S = 0.05
# More than any cache of a core's own, and than the share of the common one that it can hold.
CACHE_BYTES = 64 << 20
WARM_UP_CALLS = 2


@dataclass
class Times:
    """How long calls took, in [ns].

    Attributes:
        warm: Of calls that follow one another.
        cold: Of calls after other data has filled the caches, as it does between two decisions.
    """

    warm: list[int] = field(default_factory=list)
    cold: list[int] = field(default_factory=list)

    def warm_ms(self, percent: float) -> float:
        """Return a percentile of the warm calls in [ms]."""
        return float(np.percentile(self.warm, percent)) / 1e6

    def cold_ms(self, percent: float) -> float:
        """Return a percentile of the cold calls in [ms]."""
        return float(np.percentile(self.cold, percent)) / 1e6


def take_turns(calls: Mapping[str, Call], seconds: float, least: int = 3) -> dict[str, Times]:
    """Time calls in turn: A B C, A B C, each for a slice of time and at least once.

    Args:
        calls: By name.
        seconds: How long to go on, in all.
        least: Turns that each call has at least, however long that takes.
    """
    found = {name: Times() for name in calls}
    for call in calls.values():
        for _ in range(WARM_UP_CALLS):
            call()
    memory = np.ones(CACHE_BYTES // 8)
    turns, end_s = 0, time.monotonic() + seconds
    while turns < least or time.monotonic() < end_s:
        for name, call in calls.items():
            _displace(memory)
            found[name].cold.append(duration_ns(call))
            slice_end_s = time.monotonic() + SLICE_S
            while True:
                found[name].warm.append(duration_ns(call))
                if time.monotonic() >= slice_end_s:
                    break
        turns += 1
    return found


def duration_ns(call: Call) -> int:
    """Return how long a call takes."""
    start_ns = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - start_ns


def _displace(memory: Array) -> None:
    """Fill the caches with something else."""
    memory += 1.0
