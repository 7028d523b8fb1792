"""Loops at a fixed rate on the steady clock, with an optional early wake-up."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from dbp_ros.runtime.realtime import set_priority
from dbp_ros.runtime.sim_clock import SimClock

# `prepare` is called this long before a deadline.
PREPARE_NS = 500_000


class RateLoop:
    """Timer with one absolute deadline per period on the steady clock.

    Delays do not accumulate. After a wait that ends more than half a period late, the next deadline
    is a full period later. So two ticks are never back to back.

    Attributes:
        triggered: Whether `trigger` ended the last wait.
    """

    def __init__(
        self,
        period_ns: int,
        min_period_share: float = 1.0,
        prepare: Callable[[int], None] | None = None,
    ) -> None:
        """Begin the first period.

        Args:
            period_ns: Longest time between two ticks.
            min_period_share: Share of the period that `trigger` cannot shorten; 1 to ignore
                `trigger`.
            prepare: Called `PREPARE_NS` before each deadline with the deadline, or with the present
                time if that is later. Not for a loop that is triggered.
        """
        self._prepare = prepare
        self.period_ns = period_ns
        self.triggered = False
        self._min_period_ns = round(min_period_share * period_ns)
        # A binary event: locked while not set. A wait with a timeout is cheaper than `Event.wait`.
        self._event = threading.Lock()
        self._event.acquire()
        self.restart()

    def set_period(self, period_ns: int, min_period_share: float) -> None:
        """Change the period from the next deadline on; see the constructor."""
        self.period_ns, self._min_period_ns = period_ns, round(min_period_share * period_ns)

    def restart(self) -> None:
        """Begin the first period now."""
        self._deadline_ns = self._ticked_ns = time.monotonic_ns()

    def trigger(self) -> None:
        """End the current wait, or the next one, before its deadline. Any thread may call it."""
        # The error means that the event is already set.
        with suppress(RuntimeError):
            self._event.release()

    def wait(self) -> int:
        """Sleep until the next deadline and return the time, in [ns] of the steady clock.

        After a triggered tick the next deadline is one period later.
        """
        self._deadline_ns += self.period_ns
        if self._prepare is not None:
            now_ns = _sleep_until(self._deadline_ns - PREPARE_NS)
            self._prepare(max(now_ns, self._deadline_ns))
        self.triggered = self._min_period_ns < self.period_ns and self._wait_for_event()
        earliest_ns = self._ticked_ns + self._min_period_ns
        now_ns = _sleep_until(earliest_ns if self.triggered else self._deadline_ns)
        if self.triggered or now_ns - self._deadline_ns > self.period_ns // 2:
            self._deadline_ns = now_ns
        self._ticked_ns = now_ns
        # This tick serves an event that was set during the sleep.
        self._event.acquire(blocking=False)
        return now_ns

    def _wait_for_event(self) -> bool:
        """Return whether the event is set before the deadline."""
        left_ns = self._deadline_ns - time.monotonic_ns()
        if left_ns <= 0 or not self._event.acquire(timeout=left_ns * 1e-9):
            return False
        return time.monotonic_ns() < self._deadline_ns


def _sleep_until(deadline_ns: int) -> int:
    """Sleep until a time of the steady clock and return the time."""
    now_ns = time.monotonic_ns()
    if now_ns < deadline_ns:
        time.sleep((deadline_ns - now_ns) * 1e-9)
        now_ns = time.monotonic_ns()
    return now_ns


class RateThread(threading.Thread):
    """Thread that calls a function once per period, or earlier when triggered."""

    def __init__(
        self,
        name: str,
        rate_hz: float,
        tick: Callable[[int], None],
        priority: int = 0,
        sim_clock: SimClock | None = None,
        min_period_share: float = 1.0,
        prepare: Callable[[int], None] | None = None,
    ) -> None:
        """Prepare the thread; `start` runs it.

        Args:
            name: Name of the thread.
            rate_hz: Calls per second.
            tick: Called with the time in [ns]. An exception ends the thread and is kept in `error`.
            priority: SCHED_FIFO priority; 0 to inherit that of the starting thread.
            sim_clock: Clock of the rate and of the times; the steady clock if None.
            min_period_share: Share of the period that `trigger` cannot shorten; 1 to ignore
                `trigger`.
            prepare: Called shortly before each call of `tick`, with the time at which `tick` is
                due, for work that must not delay `tick`.
        """
        super().__init__(name=name, daemon=True)
        self.error: Exception | None = None
        self._clock = clock = sim_clock or SimClock()
        prepare_at = prepare and (lambda due_ns: prepare(clock.from_steady_ns(due_ns)))
        self._loop = RateLoop(self._period_ns(rate_hz), min_period_share, prepare_at)
        self._tick = tick
        self._priority = priority
        self._stopping = threading.Event()
        self._ticked = threading.Event()

    def run(self) -> None:
        """Call the function until `stop`."""
        if self._priority:
            set_priority(self._priority)
        self._loop.restart()
        try:
            while not self._stopping.is_set():
                self._tick(self._clock.from_steady_ns(self._loop.wait()))
                # `set` takes a lock; it is needed only while `wait_for_tick` runs.
                if not self._ticked.is_set():
                    self._ticked.set()
        except Exception as error:
            self.error = error
            raise

    @property
    def triggered(self) -> bool:
        """Whether the current call was triggered."""
        return self._loop.triggered

    def set_rate(self, rate_hz: float, min_period_share: float) -> None:
        """Change the rate from the next call on. Only `tick` may call it.

        Args:
            rate_hz: Calls per second.
            min_period_share: See the constructor.
        """
        self._loop.set_period(self._period_ns(rate_hz), min_period_share)

    def trigger(self) -> None:
        """Start the next call as early as `min_period_share` allows."""
        self._loop.trigger()

    def wait_for_tick(self) -> None:
        """Block until a call has ended, at most two periods: the thread then idles for a while."""
        if self.is_alive():
            self._ticked.clear()
            self._ticked.wait(2e-9 * self._loop.period_ns)

    def stop(self) -> None:
        """End the loop after the current call."""
        self._stopping.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(timeout=2.0)

    def _period_ns(self, rate_hz: float) -> int:
        return round(1e9 / self._clock.wall_rate_hz(rate_hz))
