"""The supervisor: start, failure and shutdown of processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

FOREVER = "import time; print('up', flush=True); time.sleep(60)"
IGNORES_SIGNALS = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(60)"
)
EXITS = "print('up'); raise SystemExit(3)"
SUPERVISE = """
import os, sys
from dbp_ros.runtime.supervisor import Supervisor
scripts = dict(argument.split("=", 1) for argument in sys.argv[1:])
commands = {name: [sys.executable, "-c", script] for name, script in scripts.items()}
sys.exit(Supervisor(commands, os.environ, "guard").run())
"""


class SupervisorProcess:
    """A supervisor in a separate process, with its output."""

    def __init__(self, **scripts: str) -> None:
        arguments = [f"{name}={script}" for name, script in scripts.items()]
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, *arguments], stdout=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        self.wait_for(*(f"[{name}] up" for name in scripts))

    def wait_for(self, *wanted: str) -> None:
        assert self.process.stdout is not None
        while not set(wanted) <= set(self.lines):
            line = self.process.stdout.readline()
            assert line, f"ended after {self.lines}"
            self.lines.append(line.rstrip("\n"))

    def children(self) -> list[int]:
        return children_of(self.process.pid)


@pytest.fixture
def supervised() -> Iterator[list[SupervisorProcess]]:
    """Supervisors of a test, killed at its end."""
    started: list[SupervisorProcess] = []
    yield started
    for supervisor in started:
        supervisor.process.kill()
        supervisor.process.wait()


def ended(pids: list[int], limit_s: float = 10.0) -> bool:
    deadline = time.monotonic() + limit_s
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("num_signals", [1, 2, 5])
def test_every_process_ends_at_a_signal(
    supervised: list[SupervisorProcess], number: signal.Signals, num_signals: int
) -> None:
    supervised.append(
        supervisor := SupervisorProcess(simulation=FOREVER, guard=FOREVER, policy=FOREVER)
    )
    children = supervisor.children()
    for _ in range(num_signals):
        supervisor.process.send_signal(number)
        time.sleep(0.05)
    assert supervisor.process.wait(timeout=20) == 0
    assert len(children) == 3
    assert ended(children)


def test_no_process_is_left_when_the_supervisor_is_killed(
    supervised: list[SupervisorProcess],
) -> None:
    supervised.append(supervisor := SupervisorProcess(simulation=FOREVER, guard=FOREVER))
    children = supervisor.children()
    supervisor.process.kill()
    assert ended(children)


def test_the_guard_continues_after_the_end_of_the_policy(
    supervised: list[SupervisorProcess],
) -> None:
    supervised.append(supervisor := SupervisorProcess(guard=FOREVER, policy=EXITS))
    supervisor.wait_for(
        "[stack] policy ended (3) and is not restarted: guard still runs and holds the arms"
    )
    time.sleep(0.5)
    assert len(supervisor.children()) == 1
    supervisor.process.send_signal(signal.SIGINT)
    assert supervisor.process.wait(timeout=20) == 1


def test_without_the_guard_the_stack_ends(supervised: list[SupervisorProcess]) -> None:
    supervised.append(
        supervisor := SupervisorProcess(simulation=FOREVER, guard=FOREVER, policy=FOREVER)
    )
    children = supervisor.children()
    os.kill(children[1], signal.SIGKILL)
    supervisor.wait_for(
        "[stack] guard was killed by SIGKILL: no process commands the arms, ending the stack"
    )
    assert supervisor.process.wait(timeout=20) == 1
    assert ended(children)


def test_a_process_that_ignores_sigterm_is_killed(supervised: list[SupervisorProcess]) -> None:
    supervised.append(supervisor := SupervisorProcess(guard=FOREVER, policy=IGNORES_SIGNALS))
    children = supervisor.children()
    supervisor.process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    supervisor.process.send_signal(signal.SIGINT)
    supervisor.wait_for("[stack] policy did not end within 5 s and is killed")
    assert supervisor.process.wait(timeout=20) == 1
    assert ended(children)


def ticks_of(process: int) -> int:
    """Return the CPU time of a process, in clock ticks."""
    return int(Path(f"/proc/{process}/stat").read_text().split()[13])


def test_a_closed_output_blocks_no_process(supervised: list[SupervisorProcess]) -> None:
    chatty = "import time\nprint('up')\nwhile True: print('x' * 1000); time.sleep(0.0005)"
    supervised.append(supervisor := SupervisorProcess(guard=chatty))
    assert supervisor.process.stdout is not None
    supervisor.process.stdout.close()
    time.sleep(1.0)
    (guard,) = supervisor.children()
    before, deadline = ticks_of(guard), time.monotonic() + 20
    while ticks_of(guard) == before:
        assert time.monotonic() < deadline, "the guard is stopped"
        time.sleep(0.1)
    supervisor.process.send_signal(signal.SIGTERM)
    assert supervisor.process.wait(timeout=20) == 0


def test_the_stack_leaves_no_process_behind(domain: int) -> None:
    pytest.importorskip("rclpy")
    pytest.importorskip("mujoco")
    command = [sys.executable, "-m", "dbp_ros.cli", "up", "--sim"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        wanted = {"[guard]": "disabled", "[simulation]": "lift, seed 100000", "[policy]": "model"}
        wait_for_lines(up.stdout, wanted)
        *others, policy = children_of(up.pid)
        os.kill(policy, signal.SIGKILL)
        wait_for_lines(up.stdout, {"[stack]": "policy was killed by SIGKILL and is not restarted"})
        listed = children_of(up.pid)
        up.send_signal(signal.SIGINT)
        time.sleep(0.1)
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=30) == 1, "the policy was killed"
    assert listed == others
    assert len(listed) == 2
    assert ended(listed)


def wait_for_lines(stream: IO[str], wanted: dict[str, str]) -> None:
    """Read until, for each name, a line starts with it and contains its words."""
    left = dict(wanted)
    for line in stream:
        name = line.split()[0]
        if left.get(name, "\0") in line:
            del left[name]
        if not left:
            return
    raise AssertionError(f"the stack ended before {left}")


def children_of(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(word) for word in listed]
