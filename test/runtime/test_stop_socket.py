"""Emergency stops between processes of one computer, without middleware."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dbp_ros.runtime.stop_socket import LocalGuard, StopSocket, local_guards, send_stop

# No ROS domain has this id: the tests stop no other guards of this computer.
DOMAIN = 10_000 + os.getpid()
SCRIPT = f"""
import time
from dbp_ros.runtime.stop_socket import StopSocket
StopSocket({DOMAIN}, "/guard", lambda: print("stopped", flush=True))
print("ready", flush=True)
time.sleep(60)
"""


@contextmanager
def open_socket(node: str, stop: Callable[[], None]) -> Iterator[StopSocket]:
    sock = StopSocket(DOMAIN, node, stop)
    try:
        yield sock
    finally:
        sock.close()


def guards() -> list[LocalGuard]:
    return [guard for guard in local_guards() if guard.domain == DOMAIN]


@pytest.fixture
def process() -> Iterator["subprocess.Popen[str]"]:
    """A process with a stop socket."""
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child
        child.kill()


def test_a_stop_reaches_a_guard_in_another_process(process):
    [guard] = guards()
    assert (guard.node, guard.pid) == ("/guard", process.pid)
    assert send_stop([guard]) == {guard: ""}
    assert process.stdout.readline() == "stopped\n"


def test_a_killed_guard_leaves_no_socket(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert guards() == []


def test_a_guard_that_is_suspended_is_reported_within_the_time_limit(process):
    [guard] = guards()
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    start = time.monotonic()
    assert send_stop([guard], timeout_s=0.1) == {guard: "did not respond within 0.1 s"}
    assert time.monotonic() - start < 1.0
    process.send_signal(signal.SIGCONT)


def test_all_guards_are_stopped_even_with_equal_names():
    stops: list[str] = []
    with (
        open_socket("/guard", lambda: stops.append("first")),
        open_socket("/guard", lambda: stops.append("second")),
        open_socket("/cell_1/guard", lambda: stops.append("cell_1")),
    ):
        assert set(send_stop(guards()).values()) == {""}
    assert sorted(stops) == ["cell_1", "first", "second"]


def test_a_namespace_selects_its_guard():
    with open_socket("/guard", lambda: None), open_socket("/cell_1/guard", lambda: None):
        for namespace in ("cell_1", "/cell_1"):
            assert [g.node for g in guards() if g.matches(None, namespace)] == ["/cell_1/guard"]
        assert [g.node for g in guards() if g.matches(None, "")] == ["/guard"]


def test_a_long_name_is_truncated():
    namespace = "a_namespace_that_is_much_longer_than_the_107_bytes_of_an_address_" * 2
    stops: list[str] = []
    with open_socket(f"/{namespace}/guard", lambda: stops.append("stop")):
        [guard] = guards()
        assert guard.matches(None, namespace)
        assert send_stop([guard]) == {guard: ""}
    assert stops == ["stop"]


def test_a_failed_stop_is_reported_and_the_next_one_is_received(capfd):
    stops: list[str] = []

    def stop() -> None:
        stops.append("stop")
        if len(stops) == 1:
            raise RuntimeError("the lock is broken")

    with open_socket("/guard", stop):
        [guard] = guards()
        assert send_stop([guard]) == {guard: "RuntimeError: the lock is broken"}
        assert send_stop([guard]) == {guard: ""}
    assert "the lock is broken" in capfd.readouterr().err


@pytest.mark.parametrize("message", [b"", b"enable", b"stop ", b"STOP", b"\0", b"x" * 4096])
def test_only_a_stop_has_an_effect(message):
    stops: list[str] = []
    with open_socket("/guard", lambda: stops.append("stop")):
        [guard] = guards()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(message, f"\0{guard.address}")
        # Datagrams arrive in order: this response means that the other one was read.
        assert send_stop([guard]) == {guard: ""}
    assert stops == ["stop"]


def test_a_guard_that_has_ended_cannot_be_reached():
    with open_socket("/guard", lambda: None):
        [guard] = guards()
    assert send_stop([guard])[guard].startswith("cannot be reached")


def test_a_stop_without_guards_returns_nothing():
    assert send_stop([]) == {}
