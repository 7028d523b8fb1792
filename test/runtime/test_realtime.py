"""Requests to the operating system: a refused request is not fatal."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dbp_ros.runtime.cpu_affinity import cores_for_stacks


@pytest.fixture
def separate_leases(tmp_path: Path) -> dict[str, str]:
    """Environment in which processes find only the leases of the test."""
    return {**os.environ, "TMPDIR": str(tmp_path)}


# In a process of its own: it changes scheduling and garbage collection permanently.
def test_a_request_that_is_not_granted_is_reported_and_not_fatal():
    code = (
        "from dbp_ros.settings.process import RealtimeConfig\n"
        "from dbp_ros.runtime.realtime import request_realtime\n"
        "requests = RealtimeConfig(realtime_priority=1, lock_memory=False, cpu_affinity=(4000,))\n"
        "print(*request_realtime(requests), sep='\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    collection, memory, cores, schedule = done.stdout.splitlines()
    assert collection == "garbage collection is off, threads switch every 0.05 ms"
    assert memory == "keeping freed memory: granted"
    assert cores.startswith("cores (4000,): not granted (")
    assert schedule.startswith("SCHED_FIFO 1: ")


def test_only_configured_requests_are_made():
    code = (
        "import gc\n"
        "from dbp_ros.settings.process import RealtimeConfig\n"
        "from dbp_ros.runtime.realtime import request_realtime\n"
        "got = request_realtime(RealtimeConfig(lock_memory=False))\n"
        "print(len(got), gc.isenabled())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2 False"


def test_the_outcome_names_the_cores_of_a_process(separate_leases):
    code = (
        "import os\n"
        "from dbp_ros.settings.process import RealtimeConfig\n"
        "from dbp_ros.runtime.cpu_affinity import Role, cores_for\n"
        "from dbp_ros.runtime.realtime import request_realtime\n"
        "there = sorted(os.sched_getaffinity(0))\n"
        "planned = cores_for(Role.GUARD, there)\n"
        "outcome = request_realtime(RealtimeConfig(lock_memory=False), Role.GUARD)[-1]\n"
        "bound = sorted(os.sched_getaffinity(0)) == (sorted(planned) or there)\n"
        "print(bound and outcome == (f'cores {planned}: granted' if planned else "
        "f'any of {len(there)} cores'))\n"
        "config = RealtimeConfig(lock_memory=False, cpu_affinity=(there[0],))\n"
        "request_realtime(config, Role.GUARD)\n"
        "print(os.sched_getaffinity(0) == {there[0]})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=separate_leases,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "True"]


PINNED = """
import os, sys
from dbp_ros.settings.process import RealtimeConfig
from dbp_ros.runtime.cpu_affinity import Role
from dbp_ros.runtime.realtime import request_realtime
print(request_realtime(RealtimeConfig(lock_memory=False), Role.GUARD)[-1], flush=True)
print(*os.sched_getaffinity(0), flush=True)
sys.stdin.read()
"""


@contextmanager
def pinned(separate_leases: dict[str, str]) -> Iterator[tuple[str, set[int]]]:
    """Pin a guard process to its cores; yield the outcome and the cores."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", PINNED]
    with subprocess.Popen(
        command, env=separate_leases, stdin=pipe, stdout=pipe, text=True
    ) as child:
        outcome = child.stdout.readline().strip()
        yield outcome, set(map(int, child.stdout.readline().split()))
        child.kill()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
def test_guards_of_two_stacks_have_a_core_each_and_release_it_at_their_end(separate_leases):
    with pinned(separate_leases) as (_, first):
        with pinned(separate_leases) as (outcome, second):
            assert len(first) == len(second) == 1
            assert first != second
            enough = len(os.sched_getaffinity(0)) >= cores_for_stacks(2)
            assert ("2 stacks share" in outcome) is not enough
        with pinned(separate_leases) as (_, again):
            assert again == second
    with pinned(separate_leases) as (_, again):
        assert again == first


def test_freed_large_blocks_stay_in_the_process():
    code = (
        "import resource, time\n"
        "from dbp_ros.settings.process import RealtimeConfig\n"
        "from dbp_ros.runtime.realtime import request_realtime\n"
        "request_realtime(RealtimeConfig(lock_memory=False))\n"
        "image = bytes(range(256)) * 3600\n"
        "for _ in range(10): bytearray(image)\n"
        "faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(100): bytearray(image)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # An image has 225 pages.
    assert int(done.stdout) < 225


def test_requested_cores_replace_those_of_the_role():
    code = (
        "from dbp_ros.runtime.cpu_affinity import Role\n"
        "from dbp_ros.runtime.realtime import apply_cpu_affinity\n"
        "print(apply_cpu_affinity(Role.REST, (4000,)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cores (4000,): not granted (")


def test_the_asynchronous_sender_of_the_middleware_yields_to_every_other_thread(domain: int):
    """It retries without a pause while another thread has the mutex that it waits for."""
    code = (
        "import os, rclpy\n"
        "from pathlib import Path\n"
        "from dbp_ros.runtime.realtime import schedule_process\n"
        "rclpy.init()\n"
        "node = rclpy.create_node('publisher')\n"
        "print(schedule_process(10))\n"
        "for task in Path('/proc/self/task').iterdir():\n"
        "    priority = os.sched_getparam(int(task.name)).sched_priority\n"
        "    print((task / 'comm').read_text().strip(), priority)\n"
        "node.destroy_node()\n"
        "rclpy.shutdown()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    outcome, *threads = done.stdout.splitlines()
    priorities: dict[bool, set[int]] = {False: set(), True: set()}
    for thread in threads:
        name, _, priority = thread.rpartition(" ")
        priorities[name.startswith("dds.asyn")].add(int(priority))
    assert priorities[True], f"Fast DDS names its asynchronous senders differently: {threads}"
    if "not granted" not in outcome:
        assert priorities == {False: {10}, True: {8}}
