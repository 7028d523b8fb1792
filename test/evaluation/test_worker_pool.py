"""Jobs run in worker processes that end with their parent."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from dbp_ros.evaluation.worker_pool import run_in_workers, run_with_resource

PARENT = """
import time
from dbp_ros.evaluation.worker_pool import run_in_workers
if __name__ == "__main__":
    list(run_in_workers(time.sleep, [600], 1))
"""


def workers_of(parent: int) -> list[psutil.Process]:
    children = psutil.Process(parent).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"waited 60 s for {what}"
        time.sleep(0.05)


def test_every_job_runs_once() -> None:
    assert sorted(run_in_workers(math.factorial, range(5), 2)) == [1, 1, 2, 6, 24]


def test_each_worker_makes_its_resource_once() -> None:
    pids = set(run_with_resource(os.getpid, pow, [1, 1, 1, 1], 1))
    assert len(pids) == 1
    assert pids != {os.getpid()}


def test_workers_die_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, script])
    try:
        wait_until(lambda: workers_of(parent.pid), "a worker to begin")
        workers = workers_of(parent.pid)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until(lambda: not any(map(is_alive, workers)), "the workers to die")


@pytest.mark.parametrize("started", [False, True])
def test_workers_print_nothing_on_ctrl_c(tmp_path: Path, started: bool) -> None:
    script, log = tmp_path / "parent.py", tmp_path / "log"
    script.write_text(PARENT)
    with log.open("w") as errors:
        command = [sys.executable, script]
        parent = subprocess.Popen(command, stderr=errors, start_new_session=True)
        wait_until(lambda: workers_of(parent.pid), "a worker to begin")
        workers = workers_of(parent.pid)
        time.sleep(2.0 if started else 0.3)
        os.killpg(parent.pid, signal.SIGINT)
        parent.wait(60)
    wait_until(lambda: not any(map(is_alive, workers)), "the workers to die")
    assert log.read_text().count("Traceback") == 1
