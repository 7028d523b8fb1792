"""Punctuality: what a process asks of the operating system, and a loop on the steady clock."""

import ctypes
import gc
import os
import sys
import threading
import time
from collections.abc import Callable

from dbp_ros.config import RealtimeConfig
from dbp_ros.pace import Pace

MCL_CURRENT_AND_FUTURE = 3
GIL_SWITCH_INTERVAL_S = 0.0001


def request_realtime(config: RealtimeConfig) -> list[str]:
    """Ask for real-time scheduling of every thread of this process.

    Threads that a library started before, those of the middleware say, are included; threads
    started later inherit it. Everything is optional: on a machine that allows none of it the
    process runs all the same.

    Returns:
        One sentence for each thing asked for, saying what was got.
    """
    sys.setswitchinterval(GIL_SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    gc.disable()
    got = ["garbage collection is off"]
    if config.cpu_affinity:
        got.append(_try(f"cores {config.cpu_affinity}", lambda: _set_cores(config.cpu_affinity)))
    if config.realtime_priority:
        got.append(set_priority(config.realtime_priority, *running_threads()))
    if config.lock_memory:
        got.append(_try("locked memory", _lock_memory))
    return got


def set_priority(priority: int, *threads: int) -> str:
    """Put threads, the calling one if none is named, under SCHED_FIFO; say what was got."""

    def schedule() -> None:
        for thread in threads or (0,):
            os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(priority))

    return _try(f"SCHED_FIFO {priority}", schedule)


def running_threads() -> set[int]:
    """Return the ids of all threads of this process, those of libraries too."""
    return {int(name) for name in os.listdir("/proc/self/task")}


def _set_cores(cores: tuple[int, ...]) -> None:
    for thread in running_threads():
        os.sched_setaffinity(thread, cores)


def _lock_memory() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT_AND_FUTURE) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _try(what: str, ask: Callable[[], None]) -> str:
    try:
        ask()
    except (OSError, ValueError, AttributeError) as error:
        return f"{what}: not granted ({error})"
    return f"{what}: granted"


class Pacer:
    """Waits for one deadline a period on the steady clock.

    Deadlines are absolute, so that lateness does not add up. After being late by over half a
    period it starts anew from now, so that two ticks are never crowded together.
    """

    def __init__(self, period_ns: int) -> None:
        self.period_ns = period_ns
        self._deadline_ns = time.monotonic_ns()

    def wait(self) -> int:
        """Sleep until the next deadline and return the time, in [ns] of the steady clock."""
        self._deadline_ns += self.period_ns
        now_ns = time.monotonic_ns()
        if now_ns < self._deadline_ns:
            time.sleep((self._deadline_ns - now_ns) * 1e-9)
            now_ns = time.monotonic_ns()
        if now_ns - self._deadline_ns > self.period_ns // 2:
            self._deadline_ns = now_ns
        return now_ns


class PacedThread(threading.Thread):
    """Calls a function once a period until it is stopped."""

    def __init__(
        self,
        name: str,
        rate_hz: float,
        tick: Callable[[int], None],
        priority: int = 0,
        pace: Pace | None = None,
    ) -> None:
        """Prepare the thread; `start` runs it.

        Args:
            name: Name of the thread.
            rate_hz: Calls a second.
            tick: Called with the steady time in [ns]. An exception ends the thread and is kept
                in `error`.
            priority: SCHED_FIFO priority, 0 to inherit that of the starter.
            pace: Of the world whose seconds and time these are; ours if None.
        """
        super().__init__(name=name, daemon=True)
        self.error: Exception | None = None
        self._pace = pace or Pace()
        self._period_ns = round(1e9 / self._pace.rate_hz(rate_hz))
        self._tick = tick
        self._priority = priority
        self._stopping = threading.Event()

    def run(self) -> None:
        """Call the function until `stop`."""
        if self._priority:
            set_priority(self._priority)
        pacer = Pacer(self._period_ns)
        try:
            while not self._stopping.is_set():
                self._tick(self._pace.at_ns(pacer.wait()))
        except Exception as error:
            self.error = error
            raise

    def stop(self) -> None:
        """End the loop and wait for the last call to finish."""
        self._stopping.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(timeout=2.0)
