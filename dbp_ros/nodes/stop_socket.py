"""An emergency stop that needs no middleware: a datagram to the guards of this computer.

A process that joins a ROS domain needs a third of a second before its first service call is
answered. A datagram to a Unix socket needs a fraction of a millisecond, and what sends it imports
nothing but this module. It can only stop: it carries no other request.

The sockets are in Linux's abstract namespace. They need no file, end with their process however
that ends, and reach a guard in a container that shares the network of its host. As with the
service `emergency_stop`, every user of the computer may stop a guard.
"""

import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PREFIX = "dbp_ros/stop"
SOCKETS = Path("/proc/net/unix")
REQUEST, STOPPED = b"stop", b"stopped"
# A Unix address has room for 107 bytes. Of a longer name the start is used.
NAME_BYTES = 64
MESSAGE_BYTES = 512
ANSWER_S = 0.2


class StopSocket:
    """Receives emergency stops from other processes of this computer, in a thread of its own."""

    def __init__(self, domain: int, node: str, stop: Callable[[], None]) -> None:
        """Start to listen.

        Args:
            domain: ROS domain of the guard.
            node: Its fully qualified name, such as `/cell_1/guard`.
            stop: Stops the arms. It runs in this object's thread, and an exception is the answer
                to whoever asked for the stop.

        Raises:
            OSError: If this computer has no such sockets.
        """
        self._stop = stop
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        token = os.urandom(4).hex()
        self._socket.bind(f"\0{PREFIX}/{domain}{_short(node)}#{os.getpid()}.{token}")
        self._closed = False
        self._thread = threading.Thread(target=self._listen, name="stop socket", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._closed = True
        # A receive that is under way returns at once.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=2.0)
        self._socket.close()

    def _listen(self) -> None:
        while not self._closed:
            request, sender = self._socket.recvfrom(MESSAGE_BYTES)
            if request == REQUEST:
                self._answer(sender)

    def _answer(self, sender: bytes | str | None) -> None:
        try:
            self._stop()
            answer = STOPPED
        except Exception as error:
            # The thread must go on to listen, and the operator must read what went wrong.
            traceback.print_exc()
            answer = f"{type(error).__name__}: {error}".encode()[:MESSAGE_BYTES]
        if sender:
            # The sender may have left: then the arms are stopped all the same.
            with suppress(OSError):
                self._socket.sendto(answer, socket.MSG_DONTWAIT, sender)


@dataclass(frozen=True)
class Listener:
    """A guard of this computer that listens for an emergency stop.

    Attributes:
        domain: Its ROS domain.
        node: Its fully qualified name; the start of it where it is long.
        pid: Its process, as seen from where it runs.
        address: Its socket.
    """

    domain: int
    node: str
    pid: int
    address: str

    def __str__(self) -> str:
        """Return name, domain and process in words."""
        return f"{self.node} (ROS_DOMAIN_ID={self.domain}, process {self.pid})"

    def is_in(self, namespace: str) -> bool:
        """Return whether it is the guard of a namespace."""
        return self.node == _short(f"{'/' + namespace.strip('/') if namespace else ''}/guard")


def listeners() -> list[Listener]:
    """Return every guard of this computer that listens."""
    lines = SOCKETS.read_text(encoding="utf-8", errors="replace").splitlines()
    return [listener for line in lines if (listener := _parse(line.rpartition(" ")[2]))]


def send_stop(guards: Iterable[Listener], timeout_s: float = ANSWER_S) -> dict[Listener, str]:
    """Stop guards; return what each answered: empty for stopped, otherwise what went wrong.

    Args:
        guards: Which.
        timeout_s: How long to wait for the answers, in [s].
    """
    answers = {}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        # The kernel gives the address, for the answers.
        ours.bind("")
        waiting: dict[str, Listener] = {}
        for guard in guards:
            try:
                ours.sendto(REQUEST, socket.MSG_DONTWAIT, f"\0{guard.address}")
                waiting[guard.address] = guard
            except OSError as error:
                answers[guard] = f"cannot be reached: {error}"
        deadline = time.monotonic() + timeout_s
        while waiting and (left_s := deadline - time.monotonic()) > 0.0:
            ours.settimeout(left_s)
            try:
                answer, sender = ours.recvfrom(MESSAGE_BYTES)
            except TimeoutError:
                break
            if answered := waiting.pop(_text(sender), None):
                answers[answered] = "" if answer == STOPPED else _text(answer)
    return answers | dict.fromkeys(waiting.values(), f"did not answer within {timeout_s:g} s")


def _short(node: str) -> str:
    return node[:NAME_BYTES]


def _text(sent: bytes | str | None) -> str:
    text = sent.decode(errors="replace") if isinstance(sent, bytes) else sent or ""
    return text.lstrip("\0")


def _parse(address: str) -> Listener | None:
    """Return the guard of an address as the kernel lists it; None for another socket."""
    if not address.startswith(f"@{PREFIX}/"):
        return None
    place, _, process = address.removeprefix(f"@{PREFIX}/").partition("#")
    domain, _, node = place.partition("/")
    pid = process.partition(".")[0]
    if not (domain.isdecimal() and pid.isdecimal() and node):
        return None
    return Listener(int(domain), f"/{node}", int(pid), address[1:])
