"""Emergency stop without middleware: a datagram to the guards of this computer.

After joining a ROS domain, the first service call takes a third of a second. A datagram to a Unix
socket takes a fraction of a millisecond, and its sender imports only this module. The only
request is a stop.

The sockets are in Linux's abstract namespace. They need no file, end with their process, and reach
a guard in a container that shares the network of its host. As with the service `emergency_stop`,
any user of the computer may stop a guard.
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
# A Unix address has at most 107 bytes; longer names are truncated.
NAME_BYTES = 64
MESSAGE_BYTES = 512
RESPONSE_S = 0.2


class StopSocket:
    """Thread that receives emergency stops from other processes of this computer."""

    def __init__(self, domain: int, node: str, stop: Callable[[], None]) -> None:
        """Start the thread.

        Args:
            domain: ROS domain of the guard.
            node: Fully qualified name of the guard, such as `/cell_1/guard`.
            stop: Stops the arms. It runs in this thread; an exception is returned to the sender.

        Raises:
            OSError: If the platform has no such sockets.
        """
        self._stop = stop
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        token = os.urandom(4).hex()
        self._socket.bind(f"\0{PREFIX}/{domain}{_truncate(node)}#{os.getpid()}.{token}")
        self._closed = False
        self._thread = threading.Thread(target=self._receive, name="stop socket", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread."""
        self._closed = True
        # A pending receive returns at once.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=2.0)
        self._socket.close()

    def _receive(self) -> None:
        while not self._closed:
            request, sender = self._socket.recvfrom(MESSAGE_BYTES)
            if request == REQUEST:
                self._reply(sender)

    def _reply(self, sender: bytes | str | None) -> None:
        try:
            self._stop()
            response = STOPPED
        except Exception as error:
            # The thread must continue, and the sender must receive the error.
            traceback.print_exc()
            response = f"{type(error).__name__}: {error}".encode()[:MESSAGE_BYTES]
        if sender:
            # The sender may have ended; the arms are stopped nevertheless.
            with suppress(OSError):
                self._socket.sendto(response, socket.MSG_DONTWAIT, sender)


@dataclass(frozen=True)
class LocalGuard:
    """Guard of this computer with a stop socket.

    Attributes:
        domain: ROS domain.
        node: Fully qualified name, truncated if it is long.
        pid: Process id in its own namespace.
        address: Socket address.
    """

    domain: int
    node: str
    pid: int
    address: str

    def __str__(self) -> str:
        """Return name, domain and process as text."""
        return f"{self.node} (ROS_DOMAIN_ID={self.domain}, process {self.pid})"

    def matches(self, domain: int | None, namespace: str | None) -> bool:
        """Return whether the guard is in a domain and a namespace, if given."""
        if domain not in (None, self.domain):
            return False
        if namespace is None:
            return True
        name = namespace.strip("/")
        return self.node == _truncate(f"{'/' + name if name else ''}/guard")


def local_guards(domain: int | None = None, namespace: str | None = None) -> list[LocalGuard]:
    """Return the guards of this computer.

    Args:
        domain: ROS domain; None for all domains.
        namespace: Namespace, empty for the root; None for all namespaces.

    Raises:
        OSError: If the platform has no list of sockets.
    """
    lines = SOCKETS.read_text(encoding="utf-8", errors="replace").splitlines()
    guards = filter(None, (_parse(line.rpartition(" ")[2]) for line in lines))
    return [guard for guard in guards if guard.matches(domain, namespace)]


def send_stop(guards: Iterable[LocalGuard], timeout_s: float = RESPONSE_S) -> dict[LocalGuard, str]:
    """Stop guards; return an error for each, empty if it has stopped.

    Args:
        guards: Guards to stop.
        timeout_s: Time to wait for the responses, in [s].
    """
    errors = {}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        # The kernel assigns an address for the responses.
        client.bind("")
        pending: dict[str, LocalGuard] = {}
        for guard in guards:
            try:
                client.sendto(REQUEST, socket.MSG_DONTWAIT, f"\0{guard.address}")
                pending[guard.address] = guard
            except OSError as error:
                errors[guard] = f"cannot be reached: {error}"
        deadline = time.monotonic() + timeout_s
        while pending and (left_s := deadline - time.monotonic()) > 0.0:
            client.settimeout(left_s)
            try:
                response, sender = client.recvfrom(MESSAGE_BYTES)
            except TimeoutError:
                break
            if responder := pending.pop(_text(sender), None):
                errors[responder] = "" if response == STOPPED else _text(response)
    return errors | dict.fromkeys(pending.values(), f"did not respond within {timeout_s:g} s")


def _truncate(node: str) -> str:
    return node[:NAME_BYTES]


def _text(sent: bytes | str | None) -> str:
    text = sent.decode(errors="replace") if isinstance(sent, bytes) else sent or ""
    return text.lstrip("\0")


def _parse(address: str) -> LocalGuard | None:
    """Return the guard with an address as listed by the kernel; None for another socket."""
    if not address.startswith(f"@{PREFIX}/"):
        return None
    name, _, process = address.removeprefix(f"@{PREFIX}/").partition("#")
    domain, _, node = name.partition("/")
    pid = process.partition(".")[0]
    if not (domain.isdecimal() and pid.isdecimal() and node):
        return None
    return LocalGuard(int(domain), f"/{node}", int(pid), address[1:])
