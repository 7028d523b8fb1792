"""The stack as real processes for as long as a block lasts, and an empty loop beside it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from dbp_ros.errors import DbpError
from dbp_ros.nodes.episode_runner import EpisodeRunner
from dbp_ros.nodes.process import spinning
from dbp_ros.runtime.ros_domain import lease_domain
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.stack.preflight import checked_processes
from dbp_ros.stack.processes import StackConfig

START_LIMIT_S = 60.0
END_LIMIT_S = 15.0
MOST_WITNESSES = 4
POLL_S = 0.02

Tell = Callable[[str], None]
Runner = TypeVar("Runner", bound=EpisodeRunner)


@contextmanager
def running_stack(
    task: str,
    model: str,
    folder: Path,
    make: Callable[[], Runner],
    tell: Tell,
    words: Sequence[str] = (),
    start_limit_s: float = START_LIMIT_S,
) -> Iterator[Runner]:
    """Start the stack with the simulated cell, its policy inactive, and end it with the block.

    The DDS traffic stays on this machine, in a domain of its own.

    Args:
        task: Of the simulated cell.
        model: Bundle of the policy.
        folder: For the log of the stack.
        make: Builds the node that talks to it.
        tell: Shows one line of progress.
        words: More flags of `dbp up`.
        start_limit_s: How long it may take until the policy decides.

    Raises:
        DbpError: If the task or the model is wrong, or the stack does not start.
    """
    checked_processes(StackConfig(sim=True, task=task, model=model))
    log = folder / "stack.log"
    with ExitStack() as resources:
        domain = resources.enter_context(lease_domain())
        os.environ |= {
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        }
        up = ("dbp_ros.cli", "up", "--sim", "--task", task, "--model", model, *words)
        stack = resources.enter_context(child(up, log))
        runner = resources.enter_context(spinning(make))
        tell("starting the stack")
        try:
            runner.wait_for(lambda: _ready(stack, runner, log), "the stack to start", start_limit_s)
        except DbpError as error:
            raise DbpError(f"{error}; the end of {log}:\n{_tail(log)}") from error
        runner.activate_policy(False)
        yield runner


def _ready(stack: "subprocess.Popen[bytes]", runner: EpisodeRunner, log: Path) -> bool:
    if stack.poll() is not None:
        raise DbpError(f"the stack ended with status {stack.returncode}")
    if "is not restarted" in _tail(log):
        raise DbpError("a process of the stack ended")
    here = all(name in runner.states for name in runner.processes)
    return here and runner.states["policy"] == "deciding"


@contextmanager
def reference_loop_beside(folder: Path) -> Iterator[list[Path]]:
    """Measure the machine's floor, with a witness on each core, for as long as the block lasts.

    The block begins when all of them run: a process that starts disturbs what is measured.

    Yields:
        The files that are written at the end, the floor's own first.

    Raises:
        DbpError: If one of them does not start.
    """
    guard = GuardConfig()
    same, above = guard.realtime_priority + 1, guard.realtime_priority + 2
    cores = sorted(os.sched_getaffinity(0))[:MOST_WITNESSES]
    rate_hz = guard.command_rate_hz
    witnesses = [(f"core_{k}", 2 * rate_hz, above, ("--core", str(k))) for k in cores]
    loops = [("floor", rate_hz, same, ()), *witnesses]
    with ExitStack() as resources:
        files = [folder / f"{name}.json" for name, *_ in loops]
        for file, (name, loop_hz, priority, bound) in zip(files, loops, strict=True):
            words = ("--rate", str(loop_hz), "--priority", str(priority), *bound)
            command = ("dbp_ros.evaluation.reference_loop", *words, "--out", str(file))
            file.unlink(missing_ok=True)
            resources.enter_context(child(command, folder / f"{name}.log"))
        _wait_for_files(files)
        yield files


def read_reference_loops(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what the loops of `reference_loop_beside` found, the floor's own first.

    Raises:
        DbpError: If one was ended before it could tell.
    """
    found = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    for file, statistics in zip(files, found, strict=True):
        if not statistics:
            raise DbpError(
                f"{file} is empty: the empty loop was ended from outside, or had no time to write "
                f"within {END_LIMIT_S:g} s; measure again with less beside it"
            )
    return found


def _wait_for_files(files: Sequence[Path]) -> None:
    deadline_s = time.monotonic() + START_LIMIT_S
    while missing := [file for file in files if not file.exists()]:
        if time.monotonic() > deadline_s:
            log = missing[0].with_suffix(".log")
            raise DbpError(f"the floor was not measured; the end of {log}:\n{_tail(log)}")
        time.sleep(POLL_S)


@contextmanager
def child(module: Sequence[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a module of the package as a process for as long as the block lasts."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *module], stdout=file, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(END_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])
