"""Jobs: `dbp` verbs as processes of low priority, with progress, cancellation and their error."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dbp_ros.errors import DbpError
from dbp_ros.runtime.niceness import lower_priority
from dbp_ros.runtime.parent_death import die_with_parent
from dbp_ros.types import NS_PER_S

# Added to the niceness of this process.
NICENESS = 15
CANCEL_LIMIT_S = 5.0
ERROR = "error: "
MAX_LINE = 200
DBP = (sys.executable, "-m", "dbp_ros.cli")

Outcome = Literal["running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class Step:
    """One verb of a job.

    Attributes:
        words: Verb and its flags.
        fraction: Returns the fraction that is done, from 0 to 1.
        weight: Share of the job's time, relative to the other steps.
    """

    words: Sequence[str]
    fraction: Callable[[], float]
    weight: float = 1.0


@dataclass(frozen=True)
class JobStatus:
    """Progress of a job.

    Attributes:
        name: What the job does.
        outcome: Whether it runs, or how it ended.
        fraction: Fraction that is done, from 0 to 1.
        elapsed_s: Time since the start.
        remaining_s: Estimated time left in [s]; None if unknown.
        message: Last line of the output, or the sentence of the error.
    """

    name: str
    outcome: Outcome
    fraction: float
    elapsed_s: float
    remaining_s: float | None
    message: str


class Job:
    """Steps that run one after another, each in a process group of its own.

    The processes end with this process. Thread-safe.
    """

    def __init__(self, name: str, steps: Sequence[Step], log: Path, now_ns: int) -> None:
        """Start the first step.

        Args:
            name: What the job does.
            steps: The steps.
            log: File for the output of all steps, which is replaced.
            now_ns: Time of the steady clock.
        """
        self._name, self._steps, self._log, self._start_ns = name, tuple(steps), log, now_ns
        self._index, self._outcome, self._end_ns = 0, "running", 0
        self._first_fraction: float | None = None
        self._lock = threading.Lock()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        self._child = self._start()

    def poll(self, now_ns: int) -> JobStatus:
        """Start the next step if one is over, and return the progress."""
        with self._lock:
            status = self._child.poll()
            if self._outcome == "running" and status is not None:
                self._advance(status, now_ns)
            return self._status(now_ns)

    def cancel(self, now_ns: int) -> None:
        """End the processes of the job; what they have written stays."""
        with self._lock:
            if self._outcome != "running":
                return
            self._outcome, self._end_ns = "cancelled", now_ns
            end_group(self._child)

    def _start(self) -> "subprocess.Popen[bytes]":
        words = self._steps[self._index].words
        return _starter.submit(_start_process, (*DBP, *words), self._log).result()

    def _advance(self, status: int, now_ns: int) -> None:
        # Workers of a step that failed must not stay.
        end_group(self._child)
        if status == 0 and self._index + 1 < len(self._steps):
            self._index += 1
            self._child = self._start()
            return
        self._outcome, self._end_ns = "done" if status == 0 else "failed", now_ns

    def _status(self, now_ns: int) -> JobStatus:
        elapsed_s = ((self._end_ns or now_ns) - self._start_ns) / NS_PER_S
        fraction = 1.0 if self._outcome == "done" else self._fraction()
        if self._first_fraction is None:
            # A resumed step begins with what it had done.
            self._first_fraction = fraction
        done = fraction - self._first_fraction
        remaining_s = None
        if self._outcome == "running" and done > 0:
            remaining_s = elapsed_s * (1 - fraction) / done
        message = last_line(self._log) if self._outcome == "running" else self._result()
        return JobStatus(self._name, self._outcome, fraction, elapsed_s, remaining_s, message)  # type: ignore[arg-type]

    def _fraction(self) -> float:
        weights = [step.weight for step in self._steps]
        done = sum(weights[: self._index])
        done += weights[self._index] * min(1.0, self._steps[self._index].fraction())
        return done / sum(weights)

    def _result(self) -> str:
        match self._outcome:
            case "done":
                return last_line(self._log)
            case "cancelled":
                return "cancelled; start it again to continue"
        return error_of(self._log, self._child.returncode)


class JobRunner:
    """At most one job at a time."""

    def __init__(self) -> None:
        self._job: Job | None = None

    def start(self, name: str, steps: Sequence[Step], log: Path, now_ns: int) -> None:
        """Start a job.

        Raises:
            DbpError: If another one runs.
        """
        status = self.poll(now_ns)
        if status is not None and status.outcome == "running":
            raise DbpError(f"{status.name} is running: wait for its end or cancel it")
        self._job = Job(name, steps, log, now_ns)

    def poll(self, now_ns: int) -> JobStatus | None:
        """Return the progress of the last job; None before the first one."""
        return self._job.poll(now_ns) if self._job else None

    def cancel(self, now_ns: int) -> None:
        """End the running job, if there is one."""
        if self._job:
            self._job.cancel(now_ns)


# A process ends with the thread that started it: this one runs until the end of the program.
_starter = ThreadPoolExecutor(1, "jobs")


def _start_process(command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    parent = os.getpid()

    def prepare() -> None:
        lower_priority(NICENESS)
        die_with_parent(parent)

    # Waiting threads of OpenMP must not take the cores from control.
    variables = {**os.environ, "OMP_WAIT_POLICY": "passive", "PYTHONUNBUFFERED": "1"}
    # Lines of the log are not wrapped.
    variables["COLUMNS"] = str(MAX_LINE)
    with log.open("ab") as file:
        return subprocess.Popen(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=prepare,
        )


def end_group(child: "subprocess.Popen[bytes]") -> None:
    """End a process and its group: SIGINT first, then SIGKILL."""
    for number, limit_s in ((signal.SIGINT, CANCEL_LIMIT_S), (signal.SIGKILL, None)):
        try:
            if child.poll() is None or number is signal.SIGKILL:
                os.killpg(child.pid, number)
            child.wait(limit_s)
        except (ProcessLookupError, PermissionError):
            return
        except subprocess.TimeoutExpired:
            continue


def last_line(log: Path) -> str:
    """Return the last line of a log that is not empty, shortened."""
    lines = [line for line in _lines(log) if line.strip()]
    return lines[-1].strip()[:MAX_LINE] if lines else ""


def error_of(log: Path, status: int) -> str:
    """Return the text of a verb's error, or how its process ended."""
    lines = _lines(log)
    errors = [number for number, line in enumerate(lines) if line.startswith(ERROR)]
    if errors:
        return "\n".join(lines[errors[-1] :]).removeprefix(ERROR).rstrip()
    if status < 0:
        return (
            f"the process was ended by {signal.Signals(-status).name}, without an error of its "
            f"own: free memory and start it again; its output is in {log}"
        )
    return f"the process ended with status {status}: {last_line(log)}; its output is in {log}"


def _lines(log: Path) -> list[str]:
    try:
        return log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
