"""Run several processes as one: show what they say, outlive none of them, leave none behind."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import IO

POLL_S = 0.05
GRACE_S = 5.0
# From the end of the policy to the end of the guard: time to bring the arms to rest.
SETTLE_S = 0.5
PR_SET_PDEATHSIG = 1
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_libc = ctypes.CDLL(None)
_writing = threading.Lock()


class Supervisor:
    """Starts processes in one order and ends them in the other.

    Each has a session of its own, so that Ctrl-C reaches this process alone and they end in order.
    """

    def __init__(
        self, commands: Mapping[str, Sequence[str]], variables: Mapping[str, str], essential: str
    ) -> None:
        """Prepare; `run` starts.

        Args:
            commands: A command line for each name, in the order of starting.
            variables: Environment of every process.
            essential: The one without which the others are ended too. The end of another is only
                reported.
        """
        self._commands = commands
        self._variables = {**variables, "PYTHONUNBUFFERED": "1"}
        self._essential = essential
        self._children: dict[str, subprocess.Popen[str]] = {}
        self._failed = False
        self._asked = 0

    def run(self) -> int:
        """Run until SIGINT, SIGTERM, SIGHUP, or the end of the essential process.

        A second signal hurries: all are told to end at once. Afterwards the signals are ignored,
        so that a third cannot disturb the end of this process. Call it in the main thread: the
        processes die with the thread that started them.

        Returns:
            0 if every process ran until it was told to end, else 1.
        """
        for number in ENDING:
            signal.signal(number, self._on_signal)
        try:
            # No thread runs yet: what Python does between fork and exec is safe.
            for name, command in self._commands.items():
                self._children[name] = _start(command, self._variables)
            readers = [_relay(name, child) for name, child in self._children.items()]
            self._watch()
        finally:
            self._end()
            for number in ENDING:
                signal.signal(number, signal.SIG_IGN)
        for reader in readers:
            reader.join(timeout=1.0)
        return int(self._failed)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._asked += 1

    def _watch(self) -> None:
        running = dict(self._children)
        while running and not self._asked:
            for name, child in list(running.items()):
                if child.poll() is not None:
                    del running[name]
                    self._failed = True
                    say("stack", self._obituary(name, child.returncode))
                    if name == self._essential:
                        return
            time.sleep(POLL_S)

    def _obituary(self, name: str, status: int) -> str:
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended ({status})"
        if name == self._essential:
            return f"{name} {how}: nothing commands the arms any more, ending the stack"
        return f"{name} {how} and is not restarted: {self._essential} goes on and holds the arms"

    def _end(self) -> None:
        for name, child in reversed(self._children.items()):
            if name == self._essential:
                self._settle()
            if child.poll() is None:
                child.terminate()
                self._await(child, GRACE_S)
        deadline = time.monotonic() + GRACE_S
        for name, child in self._children.items():
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                say("stack", f"{name} did not end within {GRACE_S:g} s and is killed")
                self._failed = True
                child.kill()
                child.wait()

    def _settle(self) -> None:
        deadline = time.monotonic() + SETTLE_S
        while not self._hurried() and time.monotonic() < deadline:
            time.sleep(POLL_S)

    def _await(self, child: "subprocess.Popen[str]", limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while child.poll() is None and not self._hurried() and time.monotonic() < deadline:
            time.sleep(POLL_S)

    def _hurried(self) -> bool:
        return self._asked > 1


def say(name: str, line: str) -> None:
    """Print a line with the name of who says it; never fail, whatever became of the terminal."""
    with _writing:
        try:
            sys.stdout.write(f"[{name}] {line}\n")
            sys.stdout.flush()
        except (OSError, ValueError):
            pass


def _start(command: Sequence[str], variables: Mapping[str, str]) -> "subprocess.Popen[str]":
    parent = os.getpid()

    def die_with_parent() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(
        command,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        preexec_fn=die_with_parent,
    )


def _relay(name: str, child: "subprocess.Popen[str]") -> threading.Thread:
    assert child.stdout is not None
    thread = threading.Thread(target=_copy, args=(name, child.stdout), daemon=True)
    thread.start()
    return thread


def _copy(name: str, stream: IO[str]) -> None:
    """Print a process's lines to the end: a full pipe would stop it."""
    for line in stream:
        say(name, line.rstrip("\n"))
