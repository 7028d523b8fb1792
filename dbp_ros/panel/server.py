"""The page's web server: viser, with the gate in front of each request."""

import contextlib
import io
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import viser
import websockets.asyncio.server
from viser._messages import ShareUrlDisconnect, ShareUrlRequest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from dbp_ros.errors import ConfigError, DbpError
from dbp_ros.panel.gate import PROTECTION, Gate
from dbp_ros.panel.stop_key import add_stop_key

# Of an address that stands for all interfaces: its family, an address for documentation (RFC 5737,
# RFC 3849), and the address without a route to others.
PROBES = {
    "0.0.0.0": (socket.AF_INET, "192.0.2.1", "127.0.0.1"),
    "::": (socket.AF_INET6, "2001:db8::1", "::1"),
}
DISCARD_PORT = 9

ProcessRequest = Callable[[ServerConnection, Request], Response | None]


def start_server(host: str, port: int, gate: Gate) -> viser.ViserServer:
    """Start the server behind a gate, whose port is set.

    Args:
        host: Address to listen on.
        port: TCP port; 0 for a free one.
        gate: Checks of each request.

    Raises:
        ConfigError: If the port is in use or the address is not one of this computer.
    """
    _require_free(host, port)
    # Requests that end early, such as those of a port scan, are not worth a traceback.
    logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
    # Before the first request; another value for a free port.
    gate.port = port
    with _serving_behind(gate) as gated, contextlib.redirect_stdout(io.StringIO()):
        server = viser.ViserServer(host=host, port=port, verbose=False)
    if set(gated) != {host}:
        stop_server(server)
        raise DbpError("this version of viser does not serve through the gate; see constraints.txt")
    found = server.get_port()
    if port and found != port:
        stop_server(server)
        raise ConfigError(_in_use(host, port))
    gate.port = found
    # Any browser could have the page published on the internet.
    for kind in (ShareUrlRequest, ShareUrlDisconnect):
        server._websock_server.unregister_handler(kind)
    return server


def stop_server(server: viser.ViserServer) -> None:
    """Stop a server without its message on the terminal."""
    with contextlib.redirect_stdout(io.StringIO()):
        server.stop()


def address_of(host: str, gate: Gate) -> str:
    """Return the address of the page for the user, with the token if there is one."""
    # A page on all interfaces is reached by the name of the computer's address.
    shown = own_address(host) if host in PROBES else host
    bracketed = f"[{shown}]" if ":" in shown else shown
    return f"http://{bracketed}:{gate.port}/" + (f"?token={gate.token}" if gate.token else "")


def own_address(host: str) -> str:
    """Return the address of this computer on the route to others; nothing is sent.

    Args:
        host: `0.0.0.0` for an IPv4 address, `::` for an IPv6 address.
    """
    family, outside, loopback = PROBES[host]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((outside, DISCARD_PORT))
            return str(probe.getsockname()[0])
    except OSError:
        return loopback


@contextlib.contextmanager
def _serving_behind(gate: Gate) -> Iterator[list[str]]:
    """Have each WebSocket server that starts in the block ask a gate first.

    viser has no hook for this: it starts its server within its constructor.

    Yields:
        The hosts of the servers that were started behind the gate.
    """
    original = websockets.asyncio.server.serve
    gated: list[str] = []

    def serve(
        handler: Any, host: str, port: int, *, process_request: ProcessRequest, **options: Any
    ) -> Any:
        gated.append(host)
        guarded = _guarded(gate, process_request)
        return original(handler, host, port, process_request=guarded, **options)

    websockets.asyncio.server.serve = serve
    try:
        yield gated
    finally:
        websockets.asyncio.server.serve = original


def _guarded(gate: Gate, process_request: ProcessRequest) -> ProcessRequest:
    def check(connection: ServerConnection, request: Request) -> Response | None:
        if refusal := gate.check(request, str(connection.local_address[0])):
            return refusal
        response = process_request(connection, request)
        if response is not None:
            response.headers.update(PROTECTION)
            add_stop_key(response)
        return response

    return check


def _require_free(host: str, port: int) -> None:
    """Raise `ConfigError` if a port is in use: viser would take the next one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(f"{_in_use(host, port)} ({error.strerror})") from None


def _in_use(host: str, port: int) -> str:
    return f"cannot listen on {host}, port {port}: choose another port, such as {port + 1}, or 0"
