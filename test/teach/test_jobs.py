"""Jobs as real processes of `dbp`, with verbs that end quickly."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dbp_ros.errors import DbpError
from dbp_ros.teach.jobs import Job, JobRunner, JobStatus, Step, error_of

LIMIT_S = 60.0
FIRST_NS = 1_000_000_000
# Starts a job that does not end and prints the id of its process.
PARENT = """
import sys, time
from pathlib import Path
from dbp_ros.teach.jobs import Job, Step
job = Job("wait", [Step(sys.argv[2:], lambda: 0.0)], Path(sys.argv[1]), 0)
print(job._child.pid, flush=True)
time.sleep(60)
"""


def step(*words: str) -> Step:
    return Step(words, lambda: 0.0)


def ended(job: Job) -> JobStatus:
    deadline = time.monotonic() + LIMIT_S
    while (status := job.poll(2 * FIRST_NS)).outcome == "running":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return status


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def waiting_words(tmp_path: Path) -> list[str]:
    """Return a verb that waits: it opens a named pipe that has no writer."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return ["robot", "new", "--urdf", str(path), "--out", str(tmp_path / "robot.yaml")]


def test_the_steps_of_a_job_run_one_after_another(tmp_path: Path) -> None:
    job = Job("list", [step("robot", "list"), step("--version")], tmp_path / "log", FIRST_NS)
    status = ended(job)
    assert (status.outcome, status.fraction) == ("done", 1.0)
    assert status.message.startswith("dbp_ros ")
    assert "ur5e_dual" in (tmp_path / "log").read_text()


def test_a_failed_step_ends_the_job_with_the_sentence_of_the_verb(tmp_path: Path) -> None:
    steps = [step("inspect", str(tmp_path / "missing")), step("--version")]
    status = ended(Job("inspect", steps, tmp_path / "log", FIRST_NS))
    assert status.outcome == "failed"
    assert "is not a model bundle" in status.message
    assert not status.message.startswith("error")


def test_a_process_that_was_killed_is_reported_by_its_signal(tmp_path: Path) -> None:
    assert "SIGKILL" in error_of(tmp_path / "log", -9)


def test_an_error_of_several_lines_is_complete(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("error: old\n10 of 10\nerror: these columns:\n  a\n  b\n\n")
    assert error_of(tmp_path / "log", 1) == "these columns:\n  a\n  b"


def test_a_cancelled_job_leaves_no_process(tmp_path: Path) -> None:
    job = Job("wait", [step(*waiting_words(tmp_path))], tmp_path / "log", FIRST_NS)
    child = job._child.pid
    job.cancel(2 * FIRST_NS)
    assert job.poll(3 * FIRST_NS).outcome == "cancelled"
    assert not Path(f"/proc/{child}").exists()


def test_a_job_has_low_priority(tmp_path: Path) -> None:
    job = Job("wait", [step(*waiting_words(tmp_path))], tmp_path / "log", FIRST_NS)
    assert os.getpriority(os.PRIO_PROCESS, job._child.pid) >= 15
    job.cancel(FIRST_NS)


def test_a_job_ends_with_its_parent(tmp_path: Path) -> None:
    words = [sys.executable, "-c", PARENT, str(tmp_path / "log"), *waiting_words(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = Path(f"/proc/{parent.stdout.readline().strip()}")
        assert child.exists()
        parent.kill()
    wait_until(lambda: not child.exists() or "Z (zombie)" in (child / "status").read_text())


def test_the_time_left_follows_from_the_progress_since_the_start(tmp_path: Path) -> None:
    fraction = 0.2
    words = waiting_words(tmp_path)
    job = Job("wait", [Step(words, lambda: fraction)], tmp_path / "log", 0)
    assert job.poll(FIRST_NS).remaining_s is None
    fraction = 0.6
    assert job.poll(4 * FIRST_NS).remaining_s == pytest.approx(4.0)
    job.cancel(4 * FIRST_NS)


def test_a_second_job_is_refused_while_one_runs(tmp_path: Path) -> None:
    runner = JobRunner()
    assert runner.poll(0) is None
    runner.start("training", [step(*waiting_words(tmp_path))], tmp_path / "log", 0)
    with pytest.raises(DbpError, match="training is running"):
        runner.start("evaluation", [step("--version")], tmp_path / "other", 0)
    runner.cancel(0)
