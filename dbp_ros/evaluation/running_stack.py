"""Context managers that run the stack and the idle reference loops as processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from dbp_ros.errors import DbpError
from dbp_ros.nodes.episode_runner import EpisodeRunner
from dbp_ros.nodes.process import spinning
from dbp_ros.runtime.parent_death import die_with_parent
from dbp_ros.runtime.ros_domain import lease_domain
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.stack.preflight import checked_processes
from dbp_ros.stack.processes import StackConfig

START_LIMIT_S = 60.0
END_LIMIT_S = 15.0
MAX_PINNED_LOOPS = 4
POLL_S = 0.02
STACK_LOG = "stack.log"

Log = Callable[[str], None]
Client = TypeVar("Client", bound=EpisodeRunner)


@contextmanager
def running_stack(
    task: str,
    model: str,
    folder: Path,
    make_client: Callable[[], Client],
    status: Log,
    flags: Sequence[str] = (),
    start_limit_s: float = START_LIMIT_S,
) -> Iterator[Client]:
    """Run the stack with the simulated cell; its policy is inactive at first.

    DDS traffic stays on this machine, in a ROS domain of its own.

    Args:
        task: Task of the simulated cell.
        model: Bundle of the policy.
        folder: Folder of the log.
        make_client: Factory of the client node.
        status: Sets the status line.
        flags: More flags of `dbp up`.
        start_limit_s: Time limit until the policy is ready.

    Raises:
        DbpError: If the task or the model is invalid, or the stack does not start.
    """
    checked_processes(StackConfig(sim=True, task=task, model=model))
    log = folder / STACK_LOG
    with ExitStack() as resources:
        resources.enter_context(own_domain())
        up = ("dbp_ros.cli", "up", "--sim", "--task", task, "--model", model, *flags)
        stack = resources.enter_context(module_process(up, log))
        runner = resources.enter_context(spinning(make_client))
        status("starting the stack")
        try:
            runner.wait_for(lambda: _ready(stack, runner, log), "the stack to start", start_limit_s)
        except DbpError as error:
            raise DbpError(f"{error}; the end of {log}:\n{log_tail(log)}") from error
        runner.activate_policy(False)
        yield runner


@contextmanager
def own_domain() -> Iterator[None]:
    """Lease a ROS domain for this process and its children, on the loopback interface."""
    with lease_domain() as domain:
        os.environ |= {
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        }
        yield


def _ready(stack: "subprocess.Popen[bytes]", runner: EpisodeRunner, log: Path) -> bool:
    if stack.poll() is not None:
        raise DbpError(f"the stack ended with status {stack.returncode}")
    if "is not restarted" in log_tail(log):
        raise DbpError("a process of the stack ended")
    started = all(name in runner.states for name in runner.processes)
    return started and runner.states["policy"] == "deciding"


@contextmanager
def reference_loops(folder: Path, start_limit_s: float = START_LIMIT_S) -> Iterator[list[Path]]:
    """Run the idle reference loop, and a loop pinned to each core.

    All loops run before the block begins, because a starting process disturbs the measurement.

    Yields:
        The files with the statistics, written at the end; the unpinned loop is first.

    Raises:
        DbpError: If a loop does not start.
    """
    guard = GuardConfig()
    priority = guard.realtime_priority + 1
    # The last ones: guard and policy run there.
    cores = sorted(os.sched_getaffinity(0))[-MAX_PINNED_LOOPS:]
    rate_hz = guard.command_rate_hz
    pinned = [(f"reference_loop_{k}", 2 * rate_hz, priority + 1, ("--core", str(k))) for k in cores]
    loops = [("reference_loop", rate_hz, priority, ()), *pinned]
    with ExitStack() as resources:
        files = [folder / f"{name}.json" for name, *_ in loops]
        for file, (name, loop_hz, loop_priority, core) in zip(files, loops, strict=True):
            flags = ("--rate", str(loop_hz), "--priority", str(loop_priority), *core)
            command = ("dbp_ros.evaluation.reference_loop", *flags, "--out", str(file))
            file.unlink(missing_ok=True)
            resources.enter_context(module_process(command, folder / f"{name}.log"))
        _wait_for_files(files, start_limit_s)
        yield files


def read_reference_loops(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the statistics of `reference_loops`; the unpinned loop is first.

    Raises:
        DbpError: If a loop ended without statistics.
    """
    found = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    for file, statistics in zip(files, found, strict=True):
        if not statistics:
            raise DbpError(
                f"{file} is empty: the reference loop was killed or did not write within "
                f"{END_LIMIT_S:g} s; repeat with less load"
            )
    return found


def _wait_for_files(files: Sequence[Path], limit_s: float) -> None:
    deadline_s = time.monotonic() + limit_s
    while missing := [file for file in files if not file.exists()]:
        if time.monotonic() > deadline_s:
            log = missing[0].with_suffix(".log")
            raise DbpError(f"the reference loop did not start; the end of {log}:\n{log_tail(log)}")
        time.sleep(POLL_S)


@contextmanager
def module_process(
    module: Sequence[str], log: Path, own_session: bool = False
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a module as a process; send SIGINT at the end of the block, or if this process dies.

    Args:
        module: Name of the module, and its arguments.
        log: File for its output.
        own_session: Whether it leads a session, as the processes of `dbp up` do.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=own_session,
            preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGINT),
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


def log_tail(log: Path) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])
