"""Supervisor of the processes of a stack: starting order, output and end."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from types import FrameType
from typing import IO

from dbp_ros.runtime.parent_death import die_with_parent

POLL_S = 0.05
GUARD = "guard"
GRACE_S = 5.0
# Time between the end of the policy and SIGTERM for the guard, which brings the arms to rest.
SETTLE_S = 0.5
END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_print_lock = threading.Lock()


class Supervisor:
    """Child processes that start in one order and end in reverse order.

    Each has its own session, so that Ctrl-C reaches the supervisor only.
    """

    def __init__(
        self, commands: Mapping[str, Sequence[str]], variables: Mapping[str, str], essential: str
    ) -> None:
        """Prepare; `run` starts the processes.

        Args:
            commands: Command line by name, in starting order.
            variables: Environment of the processes.
            essential: Name of the process whose end ends the others; the end of any other process
                is only logged.
        """
        self._commands = commands
        self._variables = {**variables, "PYTHONUNBUFFERED": "1"}
        self._essential = essential
        self._children: dict[str, subprocess.Popen[str]] = {}
        self._failed = False
        self._signals = 0

    def run(self) -> int:
        """Run until SIGINT, SIGTERM, SIGHUP, or the end of the essential process.

        A second signal ends all processes at once; further signals are ignored. Call it in the
        main thread: the processes end with the thread that starts them.

        Returns:
            0 if every process ran until the end of the stack, else 1.
        """
        for number in END_SIGNALS:
            signal.signal(number, self._on_signal)
        try:
            # Fork before the first thread: Python code between fork and exec is then safe.
            for name, command in self._commands.items():
                self._children[name] = start_process(command, self._variables)
            readers = [_forward_output(name, child) for name, child in self._children.items()]
            self._watch()
        finally:
            self._end()
            for number in END_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
        for reader in readers:
            reader.join(timeout=1.0)
        return int(self._failed)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1

    def _watch(self) -> None:
        running = dict(self._children)
        while running and not self._signals:
            for name, child in list(running.items()):
                if child.poll() is not None:
                    del running[name]
                    self._failed = True
                    print_line("stack", self._describe_end(name, child.returncode))
                    if name == self._essential:
                        return
            time.sleep(POLL_S)

    def _describe_end(self, name: str, status: int) -> str:
        end = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended ({status})"
        if name == self._essential:
            if name == GUARD:
                return f"{name} {end}: no process commands the arms, ending the stack"
            return f"{name} {end}: ending the other processes"
        return f"{name} {end} and is not restarted: {self._essential} still runs and holds the arms"

    def _end(self) -> None:
        for name, child in reversed(self._children.items()):
            if name == self._essential:
                self._settle()
            if child.poll() is None:
                child.terminate()
                self._wait_for(child, GRACE_S)
        deadline = time.monotonic() + GRACE_S
        for name, child in self._children.items():
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                print_line("stack", f"{name} did not end within {GRACE_S:g} s and is killed")
                self._failed = True
                child.kill()
                child.wait()

    def _settle(self) -> None:
        deadline = time.monotonic() + SETTLE_S
        while not self._must_kill() and time.monotonic() < deadline:
            time.sleep(POLL_S)

    def _wait_for(self, child: "subprocess.Popen[str]", limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while child.poll() is None and not self._must_kill() and time.monotonic() < deadline:
            time.sleep(POLL_S)

    def _must_kill(self) -> bool:
        return self._signals > 1


def print_line(name: str, line: str) -> None:
    """Print a line with the name of its process; ignore a closed terminal."""
    with _print_lock:
        try:
            sys.stdout.write(f"[{name}] {line}\n")
            sys.stdout.flush()
        except (OSError, ValueError):
            pass


def start_process(command: Sequence[str], variables: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Start a process in its own session, with its output in a pipe; it ends with this process."""
    return subprocess.Popen(
        command,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGTERM),
    )


def _forward_output(name: str, child: "subprocess.Popen[str]") -> threading.Thread:
    assert child.stdout is not None
    thread = threading.Thread(target=_copy_lines, args=(name, child.stdout), daemon=True)
    thread.start()
    return thread


def _copy_lines(name: str, stream: IO[str]) -> None:
    """Print the lines of a process until it ends: a full pipe would block it."""
    for line in stream:
        print_line(name, line.rstrip("\n"))
