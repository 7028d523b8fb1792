"""Rate loops: absolute deadlines, minimum interval of ticks, triggers."""

import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from dbp_ros.runtime.rate_loop import RateLoop, RateThread

MS = 1_000_000
WAIT_S = 5.0


def test_a_loop_never_ticks_before_its_deadline():
    start_ns = time.monotonic_ns()
    loop = RateLoop(5 * MS)
    ticks = [loop.wait() for _ in range(40)]
    for number, tick in enumerate(ticks, start=1):
        assert tick >= start_ns + number * 5 * MS


def test_after_a_late_tick_the_next_tick_is_a_period_later():
    loop = RateLoop(20 * MS)
    loop.wait()
    time.sleep(0.09)
    late = loop.wait()
    after = [loop.wait() for _ in range(3)]
    for before, tick in zip((late, *after), after, strict=False):
        assert tick - before >= 10 * MS


def test_a_thread_passes_steady_time_to_its_tick_until_it_is_stopped():
    ticks, enough = [], threading.Event()

    def tick(now_ns):
        ticks.append(now_ns)
        if len(ticks) == 10:
            enough.set()

    start_ns = time.monotonic_ns()
    thread = RateThread("ticker", 200.0, tick)
    thread.start()
    assert enough.wait(WAIT_S)
    thread.stop()
    count = len(ticks)
    assert not thread.is_alive()
    assert start_ns < ticks[0] < ticks[-1] <= time.monotonic_ns()
    time.sleep(0.02)
    assert len(ticks) == count


def test_a_tick_may_change_the_rate():
    ticks, enough = [], threading.Event()

    def tick(now_ns):
        ticks.append(now_ns)
        if len(ticks) == 2:
            thread.set_rate(20.0, 1.0)
        if len(ticks) == 6:
            enough.set()

    thread = RateThread("ticker", 500.0, tick)
    thread.start()
    assert enough.wait(WAIT_S)
    thread.stop()
    assert ticks[5] - ticks[2] >= 3 * 45 * MS


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_ends_a_thread_and_is_stored():
    def fail(now_ns):
        raise ValueError("broken")

    thread = RateThread("ticker", 200.0, fail)
    thread.start()
    thread.join(WAIT_S)
    assert str(thread.error) == "broken"


def test_a_tick_may_stop_its_thread():
    thread = RateThread("ticker", 200.0, lambda now_ns: thread.stop())
    thread.start()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert thread.error is None


def test_a_thread_that_never_started_can_be_stopped():
    RateThread("ticker", 200.0, lambda now_ns: None).stop()


def test_a_triggered_wait_ends_before_its_deadline_but_not_immediately():
    loop = RateLoop(1000 * MS, min_period_share=0.02)
    before_ns = time.monotonic_ns()
    loop.trigger()
    now_ns = loop.wait()
    assert loop.triggered
    assert 20 * MS <= now_ns - before_ns < 900 * MS


def test_several_triggers_count_once():
    loop = RateLoop(100 * MS, min_period_share=0.1)
    for _ in range(5):
        loop.trigger()
    first = loop.wait()
    second = loop.wait()
    assert second - first >= 100 * MS
    assert not loop.triggered


def test_a_trigger_during_a_tick_applies_to_the_next_wait():
    loop = RateLoop(1000 * MS, min_period_share=0.01)
    first = loop.wait() if not loop.trigger() else 0
    loop.trigger()
    assert loop.wait() - first < 900 * MS


def test_after_a_triggered_tick_the_next_deadline_is_a_period_away():
    loop = RateLoop(60 * MS, min_period_share=0.1)
    for _ in range(5):
        loop.trigger()
        early = loop.wait()
        late = loop.wait()
        assert late - early >= 60 * MS


def test_without_a_shorter_period_a_trigger_is_ignored():
    loop = RateLoop(20 * MS)
    loop.trigger()
    before_ns = time.monotonic_ns()
    assert loop.wait() - before_ns >= 19 * MS
    assert not loop.triggered


def test_a_triggered_thread_keeps_its_minimum_interval_and_its_rate():
    ticks = []
    thread = RateThread("ticker", 50.0, ticks.append, min_period_share=0.25)
    thread.start()
    ended_ns = time.monotonic_ns() + 500 * MS
    while time.monotonic_ns() < ended_ns:
        thread.trigger()
        time.sleep(0.001)
    thread.stop()
    gaps = [after - before for before, after in pairwise(ticks)]
    assert min(gaps) >= 5 * MS
    assert len(ticks) > 40


def test_prepare_is_called_shortly_before_each_deadline():
    prepared, dues, ticks = [], [], []

    def prepare(due_ns):
        prepared.append(time.monotonic_ns())
        dues.append(due_ns)

    loop = RateLoop(20 * MS, prepare=prepare)
    for _ in range(10):
        ticks.append(loop.wait())
    assert len(prepared) == 10
    assert all(due <= tick for due, tick in zip(dues, ticks, strict=True))
    assert np.median(np.subtract(ticks, dues)) < 5 * MS
    time.sleep(0.1)
    assert time.monotonic_ns() - loop.wait() < 5 * MS
    assert prepared[-1] <= dues[-1] + 5 * MS
    assert dues[-1] - dues[-2] > 60 * MS
    prepared.pop()
    for start, tick in zip(prepared, ticks, strict=True):
        assert start < tick
    # Not at the start of the period.
    assert np.median(np.subtract(ticks, prepared)) < 10 * MS
    assert (ticks[-1] - ticks[0]) / 9 >= 19 * MS


def test_wait_for_tick_returns_right_after_a_tick():
    ticks = []
    thread = RateThread("ticker", 20.0, ticks.append)
    thread.start()
    free = []
    for _ in range(5):
        thread.wait_for_tick()
        free.append(time.monotonic_ns() - ticks[-1])
        time.sleep(0.03)
    thread.stop()
    thread.wait_for_tick()
    print(f"after the tick [ms]: {[gap / MS for gap in free]}")
    assert np.median(free) < 10 * MS
