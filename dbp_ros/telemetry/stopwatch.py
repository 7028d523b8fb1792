"""Interleaved timing of calls, so that other load of the machine affects all of them equally."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from dbp_ros.types import Array

Call = Callable[[], object]

# Duration of the repetitions of a call before the next call is timed.
SLICE_S = 0.1
# Exceeds the private caches of a core and its part of the shared cache.
CACHE_BYTES = 64 << 20
NS_PER_MS = 1e6


@dataclass
class Times:
    """Durations of a call, in [ns].

    Attributes:
        warm: Wall time of consecutive calls.
        cpu: CPU time of the calling thread in these calls.
        cold: CPU time of calls after other data filled the caches, as between two policy steps.
            A call longer than `SLICE_S` counts as both.
    """

    warm: list[int] = field(default_factory=list)
    cpu: list[int] = field(default_factory=list)
    cold: list[int] = field(default_factory=list)

    def warm_ms(self, percent: float) -> float:
        """Return a percentile of the warm calls in [ms]."""
        return float(np.percentile(self.warm, percent)) / NS_PER_MS

    @property
    def cpu_ms(self) -> float:
        """Median CPU time of a warm call in [ms]."""
        return float(np.median(self.cpu)) / NS_PER_MS

    @property
    def cold_ms(self) -> float:
        """Median CPU time of a cold call in [ms]."""
        return float(np.median(self.cold)) / NS_PER_MS

    def measure_cold(self, call: Call, memory: Array) -> bool:
        """Time one call with cold caches; return whether it is too long to be repeated."""
        memory += 1.0
        duration_ns, cpu_ns = timed(call)
        self.cold.append(cpu_ns)
        if duration_ns < SLICE_S * 1e9:
            return False
        self.warm.append(duration_ns)
        self.cpu.append(cpu_ns)
        return True

    def measure_warm(self, call: Call) -> None:
        """Time consecutive calls for `SLICE_S`, at least one."""
        end_s = time.monotonic() + SLICE_S
        while True:
            duration_ns, cpu_ns = timed(call)
            self.warm.append(duration_ns)
            self.cpu.append(cpu_ns)
            if time.monotonic() >= end_s:
                return


def time_interleaved(
    calls: Mapping[str, Call], seconds: float, min_turns: int = 3
) -> dict[str, Times]:
    """Time calls in turns A B C, A B C, each for `SLICE_S` and at least once.

    Args:
        calls: By name.
        seconds: Total duration.
        min_turns: Minimum number of turns, even after the duration.
    """
    found = {name: Times() for name in calls}
    for call in calls.values():
        call()
    memory = np.ones(CACHE_BYTES // 8)
    turns, end_s = 0, time.monotonic() + seconds
    while turns < min_turns or time.monotonic() < end_s:
        for name, call in calls.items():
            if not found[name].measure_cold(call, memory):
                found[name].measure_warm(call)
        turns += 1
    return found


def timed(call: Call) -> tuple[int, int]:
    """Return wall time and CPU time of a call, in [ns]."""
    cpu_ns, start_ns = time.thread_time_ns(), time.perf_counter_ns()
    call()
    end_ns = time.perf_counter_ns()
    return end_ns - start_ns, time.thread_time_ns() - cpu_ns
