"""Punctuality: the grid is kept, ticks are never crowded, and no wish is ever fatal."""

import subprocess
import sys
import threading
import time

import pytest

from dbp_ros.realtime import PacedThread, Pacer

ORPHAN = """
import os, time
from dbp_ros.realtime import die_with_parent
die_with_parent({parent})
print("lives", flush=True)
time.sleep(60)
"""
PARENT = """
import os, subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1].format(parent=os.getpid())])
"""
MS = 1_000_000
WAIT_S = 5.0


def test_a_pacer_never_ticks_before_its_grid():
    start_ns = time.monotonic_ns()
    pacer = Pacer(5 * MS)
    ticks = [pacer.wait() for _ in range(40)]
    for number, tick in enumerate(ticks, start=1):
        assert tick >= start_ns + number * 5 * MS


def test_after_being_late_ticks_are_not_crowded():
    pacer = Pacer(20 * MS)
    pacer.wait()
    time.sleep(0.09)
    late = pacer.wait()
    after = [pacer.wait() for _ in range(3)]
    for before, tick in zip((late, *after), after, strict=False):
        assert tick - before >= 10 * MS


def test_a_paced_thread_calls_with_the_steady_time_until_it_is_stopped():
    ticks, enough = [], threading.Event()

    def tick(now_ns):
        ticks.append(now_ns)
        if len(ticks) == 10:
            enough.set()

    start_ns = time.monotonic_ns()
    thread = PacedThread("ticker", 200.0, tick)
    thread.start()
    assert enough.wait(WAIT_S)
    thread.stop()
    count = len(ticks)
    assert not thread.is_alive()
    assert start_ns < ticks[0] < ticks[-1] <= time.monotonic_ns()
    time.sleep(0.02)
    assert len(ticks) == count


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_ends_a_paced_thread_and_is_kept():
    def fail(now_ns):
        raise ValueError("out of paper")

    thread = PacedThread("ticker", 200.0, fail)
    thread.start()
    thread.join(WAIT_S)
    assert str(thread.error) == "out of paper"


def test_a_paced_thread_may_stop_itself():
    thread = PacedThread("ticker", 200.0, lambda now_ns: thread.stop())
    thread.start()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert thread.error is None


def test_stopping_a_paced_thread_that_never_started_is_harmless():
    PacedThread("ticker", 200.0, lambda now_ns: None).stop()


# In a process of its own: it changes scheduling and garbage collection for good.
def test_a_wish_that_is_not_granted_is_told_and_not_fatal():
    code = (
        "from dbp_ros.config import RealtimeConfig\n"
        "from dbp_ros.realtime import request_realtime\n"
        "wishes = RealtimeConfig(realtime_priority=1, lock_memory=False, cpu_affinity=(4000,))\n"
        "print(*request_realtime(wishes), sep='\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    collection, cores, schedule = done.stdout.splitlines()
    assert collection == "garbage collection is off"
    assert cores.startswith("cores (4000,): not granted (")
    assert schedule.startswith("SCHED_FIFO 1: ")


def test_nothing_is_asked_for_that_was_not_wished():
    code = (
        "import gc\n"
        "from dbp_ros.config import RealtimeConfig\n"
        "from dbp_ros.realtime import request_realtime\n"
        "print(request_realtime(RealtimeConfig(lock_memory=False)), gc.isenabled())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['garbage collection is off'] False"


def test_a_child_that_shall_not_outlive_its_parent_ends_with_it_however_that_dies():
    command = [sys.executable, "-c", PARENT, ORPHAN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "lives\n"
        parent.kill()
        # The end of the pipe, which the child would hold open for a minute.
        began_s = time.monotonic()
        assert parent.stdout.read() == ""
        assert time.monotonic() - began_s < WAIT_S


def test_a_child_whose_parent_is_dead_already_does_not_begin():
    command = [sys.executable, "-c", ORPHAN.format(parent=0)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (-9, "")
