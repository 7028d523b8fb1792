"""An emergency stop between processes of one computer, without the middleware."""

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

# No ROS domain has this number: other processes of this computer are not stopped by these tests.
DOMAIN = 10_000 + os.getpid()
LISTEN = f"""
import time
from dbp_ros.runtime.stop_socket import StopSocket
StopSocket({DOMAIN}, "/guard", lambda: print("stopped", flush=True))
print("listening", flush=True)
time.sleep(60)
"""


@contextmanager
def listening(node: str, stop: Callable[[], None]) -> Iterator[StopSocket]:
    sock = StopSocket(DOMAIN, node, stop)
    try:
        yield sock
    finally:
        sock.close()


def ours() -> list[LocalGuard]:
    return [listener for listener in local_guards() if listener.domain == DOMAIN]


@pytest.fixture
def process() -> Iterator["subprocess.Popen[str]"]:
    """A process of its own that listens."""
    command = [sys.executable, "-c", LISTEN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "listening\n"
        yield child
        child.kill()


def test_a_stop_reaches_a_guard_in_another_process(process):
    [guard] = ours()
    assert (guard.node, guard.pid) == ("/guard", process.pid)
    assert send_stop([guard]) == {guard: ""}
    assert process.stdout.readline() == "stopped\n"


def test_a_killed_guard_leaves_no_socket_behind(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert ours() == []


def test_a_guard_that_is_suspended_is_reported_within_the_time_limit(process):
    [guard] = ours()
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    start = time.monotonic()
    assert send_stop([guard], timeout_s=0.1) == {guard: "did not answer within 0.1 s"}
    assert time.monotonic() - start < 1.0
    process.send_signal(signal.SIGCONT)


def test_every_guard_is_stopped_also_two_of_one_name():
    stops: list[str] = []
    with (
        listening("/guard", lambda: stops.append("first")),
        listening("/guard", lambda: stops.append("second")),
        listening("/cell_1/guard", lambda: stops.append("cell_1")),
    ):
        assert set(send_stop(ours()).values()) == {""}
    assert sorted(stops) == ["cell_1", "first", "second"]


def test_a_namespace_selects_its_guard_alone():
    with listening("/guard", lambda: None), listening("/cell_1/guard", lambda: None):
        for namespace in ("cell_1", "/cell_1"):
            assert [g.node for g in ours() if g.is_in(namespace)] == ["/cell_1/guard"]
        assert [g.node for g in ours() if g.is_in("")] == ["/guard"]


def test_a_name_that_is_too_long_for_an_address_is_found_by_its_start():
    namespace = "a_namespace_that_is_much_longer_than_the_107_bytes_of_an_address_" * 2
    stops: list[str] = []
    with listening(f"/{namespace}/guard", lambda: stops.append("stop")):
        [guard] = ours()
        assert guard.is_in(namespace)
        assert send_stop([guard]) == {guard: ""}
    assert stops == ["stop"]


def test_a_stop_that_fails_is_the_answer_and_the_next_one_is_still_received(capfd):
    stops: list[str] = []

    def stop() -> None:
        stops.append("stop")
        if len(stops) == 1:
            raise RuntimeError("the lock is broken")

    with listening("/guard", stop):
        [guard] = ours()
        assert send_stop([guard]) == {guard: "RuntimeError: the lock is broken"}
        assert send_stop([guard]) == {guard: ""}
    assert "the lock is broken" in capfd.readouterr().err


@pytest.mark.parametrize("message", [b"", b"enable", b"stop ", b"STOP", b"\0", b"x" * 4096])
def test_nothing_but_a_stop_has_an_effect(message):
    stops: list[str] = []
    with listening("/guard", lambda: stops.append("stop")):
        [guard] = ours()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(message, f"\0{guard.address}")
        # Datagrams arrive in order: when this one is answered, the other one was read.
        assert send_stop([guard]) == {guard: ""}
    assert stops == ["stop"]


def test_a_guard_that_ended_after_it_was_found_cannot_be_reached():
    with listening("/guard", lambda: None):
        [guard] = ours()
    assert send_stop([guard])[guard].startswith("cannot be reached")


def test_a_stop_without_guards_has_no_answers():
    assert send_stop([]) == {}
