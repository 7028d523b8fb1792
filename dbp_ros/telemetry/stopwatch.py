"""Times of calls that take turns, so that what else the machine does hits all of them alike."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from dbp_ros.types import Array

Call = Callable[[], object]

# A call is repeated for so long before it is the next one's turn.
SLICE_S = 0.1
# More than any cache of a core's own, and than the share of the common one that it can hold.
CACHE_BYTES = 64 << 20
NS_PER_MS = 1e6


@dataclass
class Times:
    """How long calls took, in [ns].

    Attributes:
        warm: Of calls that follow one another, by the clock.
        working: How long the calling thread had a core meanwhile: on a machine that does other
            things too, the time that was spent on the call.
        cold: How long it had a core in calls after other data has filled the caches, as it does
            between two decisions. A call that lasts longer than a slice of time counts as both.
    """

    warm: list[int] = field(default_factory=list)
    working: list[int] = field(default_factory=list)
    cold: list[int] = field(default_factory=list)

    def warm_ms(self, percent: float) -> float:
        """Return a percentile of the warm calls in [ms]."""
        return float(np.percentile(self.warm, percent)) / NS_PER_MS

    @property
    def working_ms(self) -> float:
        """The median time of a core in a warm call in [ms]."""
        return float(np.median(self.working)) / NS_PER_MS

    @property
    def cold_ms(self) -> float:
        """The median time of a core in a cold call in [ms]."""
        return float(np.median(self.cold)) / NS_PER_MS

    def measure_cold(self, call: Call, memory: Array) -> bool:
        """Time one call after everything else; return whether it was too long to be repeated."""
        memory += 1.0
        duration_ns, working_ns = timed(call)
        self.cold.append(working_ns)
        if duration_ns < SLICE_S * 1e9:
            return False
        self.warm.append(duration_ns)
        self.working.append(working_ns)
        return True

    def measure_warm(self, call: Call) -> None:
        """Time calls for a slice of time, at least one."""
        end_s = time.monotonic() + SLICE_S
        while True:
            duration_ns, working_ns = timed(call)
            self.warm.append(duration_ns)
            self.working.append(working_ns)
            if time.monotonic() >= end_s:
                return


def take_turns(calls: Mapping[str, Call], seconds: float, least: int = 3) -> dict[str, Times]:
    """Time calls in turn: A B C, A B C, each for a slice of time and at least once.

    Args:
        calls: By name.
        seconds: How long to go on, in all.
        least: Turns that each call has at least, however long that takes.
    """
    found = {name: Times() for name in calls}
    for call in calls.values():
        call()
    memory = np.ones(CACHE_BYTES // 8)
    turns, end_s = 0, time.monotonic() + seconds
    while turns < least or time.monotonic() < end_s:
        for name, call in calls.items():
            if not found[name].measure_cold(call, memory):
                found[name].measure_warm(call)
        turns += 1
    return found


def timed(call: Call) -> tuple[int, int]:
    """Return how long a call takes and how long this thread worked meanwhile, in [ns]."""
    working_ns, start_ns = time.thread_time_ns(), time.perf_counter_ns()
    call()
    end_ns = time.perf_counter_ns()
    return end_ns - start_ns, time.thread_time_ns() - working_ns
