"""Loops on the steady clock, which keep their grid and can be hurried."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from dbp_ros.runtime.realtime import set_priority
from dbp_ros.runtime.sim_clock import SimClock

# Before a deadline, for what is to be done by then.
BEFOREHAND_NS = 500_000


class RateLoop:
    """Waits for one deadline a period on the steady clock.

    Deadlines are absolute, so that lateness does not add up. After being late by over half a
    period it starts anew from now, so that two ticks are never crowded together.

    Attributes:
        early: Whether the last wait was ended by `hurry`.
    """

    def __init__(
        self,
        period_ns: int,
        earliest: float = 1.0,
        beforehand: Callable[[int], None] | None = None,
    ) -> None:
        """Begin the first period.

        Args:
            period_ns: Longest time between two ticks.
            earliest: Share of it that passes at least, however often `hurry` is called.
            beforehand: Called a moment before each deadline with that deadline, or with the time
                where it has passed. Only for a loop that is not hurried.
        """
        self._beforehand = beforehand
        self.period_ns = period_ns
        self.early = False
        self._least_ns = round(earliest * period_ns)
        self._bell = threading.Lock()
        self._bell.acquire()
        self.restart()

    def set_period(self, period_ns: int, earliest: float) -> None:
        """Change the period from the next deadline on; see the constructor."""
        self.period_ns, self._least_ns = period_ns, round(earliest * period_ns)

    def restart(self) -> None:
        """Begin the first period now."""
        self._deadline_ns = self._ticked_ns = time.monotonic_ns()

    def hurry(self) -> None:
        """End the wait at hand, or the next one, before its deadline. Any thread may call it."""
        # An error says that it rings already.
        with suppress(RuntimeError):
            self._bell.release()

    def wait(self) -> int:
        """Sleep until the next deadline and return the time, in [ns] of the steady clock.

        After having been hurried, the next deadline is a period from then.
        """
        self._deadline_ns += self.period_ns
        if self._beforehand is not None:
            now_ns = _sleep_until(self._deadline_ns - BEFOREHAND_NS)
            self._beforehand(max(now_ns, self._deadline_ns))
        self.early = self._least_ns < self.period_ns and self._hurried()
        now_ns = _sleep_until(self._ticked_ns + self._least_ns if self.early else self._deadline_ns)
        if self.early or now_ns - self._deadline_ns > self.period_ns // 2:
            self._deadline_ns = now_ns
        self._ticked_ns = now_ns
        # What rang meanwhile, this tick will see.
        self._bell.acquire(blocking=False)
        return now_ns

    def _hurried(self) -> bool:
        """Wait for the bell, and return whether it rang well before the deadline."""
        left_ns = self._deadline_ns - time.monotonic_ns()
        if left_ns <= 0 or not self._bell.acquire(timeout=left_ns * 1e-9):
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
    """Calls a function once a period, or more often where it is hurried, until it is stopped."""

    def __init__(
        self,
        name: str,
        rate_hz: float,
        tick: Callable[[int], None],
        priority: int = 0,
        pace: SimClock | None = None,
        earliest: float = 1.0,
        beforehand: Callable[[int], None] | None = None,
    ) -> None:
        """Prepare the thread; `start` runs it.

        Args:
            name: Name of the thread.
            rate_hz: Calls a second.
            tick: Called with the steady time in [ns]. An exception ends the thread and is kept
                in `error`.
            priority: SCHED_FIFO priority, 0 to inherit that of the starter.
            pace: Of the world whose seconds and time these are; ours if None.
            earliest: Share of a period after which `hurry` may start the next call; 1 for never.
            beforehand: Called a moment before each call is due, with the steady time in [ns] at
                which it is, so that what it takes does not make the call late.
        """
        super().__init__(name=name, daemon=True)
        self.error: Exception | None = None
        self._pace = world = pace or SimClock()
        prepare = beforehand and (lambda due_ns: beforehand(world.at_ns(due_ns)))
        self._pacer = RateLoop(round(1e9 / world.rate_hz(rate_hz)), earliest, prepare)
        self._tick = tick
        self._priority = priority
        self._stopping = threading.Event()
        self._over = threading.Event()

    def run(self) -> None:
        """Call the function until `stop`."""
        if self._priority:
            set_priority(self._priority)
        self._pacer.restart()
        try:
            while not self._stopping.is_set():
                self._tick(self._pace.at_ns(self._pacer.wait()))
                # Somebody waits for it only where it is not set.
                if not self._over.is_set():
                    self._over.set()
        except Exception as error:
            self.error = error
            raise

    @property
    def early(self) -> bool:
        """Whether the call at hand was hurried."""
        return self._pacer.early

    def set_rate(self, rate_hz: float, earliest: float) -> None:
        """Change the rate from the next call on; only for the function that is called.

        Args:
            rate_hz: Calls a second.
            earliest: See the constructor.
        """
        self._pacer.set_period(round(1e9 / self._pace.rate_hz(rate_hz)), earliest)

    def hurry(self) -> None:
        """Let the next call come as early as it may."""
        self._pacer.hurry()

    def wait_for_tick(self) -> None:
        """Wait until a call is over, two periods at most: there is time now until the next."""
        if self.is_alive():
            self._over.clear()
            self._over.wait(2e-9 * self._pacer.period_ns)

    def stop(self) -> None:
        """End the loop and wait for the last call to finish."""
        self._stopping.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(timeout=2.0)
