"""What is asked of the operating system: no wish is ever fatal."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dbp_ros.runtime.cpu_affinity import cores_to_keep_apart

ORPHAN = """
import os, time
from dbp_ros.runtime.realtime import die_with_parent
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


@pytest.fixture
def alone(tmp_path: Path) -> dict[str, str]:
    """The environment of processes that see no stack but those of the test."""
    return {**os.environ, "TMPDIR": str(tmp_path)}


# In a process of its own: it changes scheduling and garbage collection for good.
def test_a_wish_that_is_not_granted_is_told_and_not_fatal():
    code = (
        "from dbp_ros.settings.process import RealtimeConfig\n"
        "from dbp_ros.runtime.realtime import request_realtime\n"
        "wishes = RealtimeConfig(realtime_priority=1, lock_memory=False, cpu_affinity=(4000,))\n"
        "print(*request_realtime(wishes), sep='\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    collection, memory, cores, schedule = done.stdout.splitlines()
    assert collection == "garbage collection is off, threads switch every 0.05 ms"
    assert memory == "keeping freed memory: granted"
    assert cores.startswith("cores (4000,): not granted (")
    assert schedule.startswith("SCHED_FIFO 1: ")


def test_nothing_is_asked_for_that_was_not_wished():
    code = (
        "import gc\n"
        "from dbp_ros.settings.process import RealtimeConfig\n"
        "from dbp_ros.runtime.realtime import request_realtime\n"
        "got = request_realtime(RealtimeConfig(lock_memory=False))\n"
        "print(len(got), gc.isenabled())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2 False"


def test_a_process_is_told_where_it_runs(alone):
    code = (
        "import os\n"
        "from dbp_ros.settings.process import RealtimeConfig\n"
        "from dbp_ros.runtime.cpu_affinity import Role, cores_for\n"
        "from dbp_ros.runtime.realtime import request_realtime\n"
        "there = sorted(os.sched_getaffinity(0))\n"
        "planned = cores_for(Role.GUARD, there)\n"
        "told = request_realtime(RealtimeConfig(lock_memory=False), Role.GUARD)[-1]\n"
        "bound = sorted(os.sched_getaffinity(0)) == (sorted(planned) or there)\n"
        "print(bound and told == (f'cores {planned}: granted' if planned else "
        "f'any of {len(there)} cores'))\n"
        "wish = RealtimeConfig(lock_memory=False, cpu_affinity=(there[0],))\n"
        "request_realtime(wish, Role.GUARD)\n"
        "print(os.sched_getaffinity(0) == {there[0]})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=alone, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "True"]


PLACED = """
import os, sys
from dbp_ros.settings.process import RealtimeConfig
from dbp_ros.runtime.cpu_affinity import Role
from dbp_ros.runtime.realtime import request_realtime
print(request_realtime(RealtimeConfig(lock_memory=False), Role.GUARD)[-1], flush=True)
print(*os.sched_getaffinity(0), flush=True)
sys.stdin.read()
"""


@contextmanager
def placed(alone: dict[str, str]) -> Iterator[tuple[str, set[int]]]:
    """Run a guard's placement as a process; what it was told, and its cores."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", PLACED]
    with subprocess.Popen(command, env=alone, stdin=pipe, stdout=pipe, text=True) as child:
        told = child.stdout.readline().strip()
        yield told, set(map(int, child.stdout.readline().split()))
        child.kill()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
def test_guards_of_two_stacks_have_a_core_each_and_one_that_ended_gives_its_core_back(alone):
    with placed(alone) as (_, first):
        with placed(alone) as (told, second):
            assert len(first) == len(second) == 1
            assert first != second
            apart = len(os.sched_getaffinity(0)) >= cores_to_keep_apart(2)
            assert ("2 stacks share" in told) is not apart
        with placed(alone) as (_, again):
            assert again == second
    with placed(alone) as (_, again):
        assert again == first


def test_large_blocks_are_kept_when_they_are_freed():
    code = (
        "import resource, time\n"
        "from dbp_ros.settings.process import RealtimeConfig\n"
        "from dbp_ros.runtime.realtime import request_realtime\n"
        "request_realtime(RealtimeConfig(lock_memory=False))\n"
        "picture = bytes(range(256)) * 3600\n"
        "for _ in range(10): bytearray(picture)\n"
        "faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(100): bytearray(picture)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # A picture has 225 pages.
    assert int(done.stdout) < 225


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
