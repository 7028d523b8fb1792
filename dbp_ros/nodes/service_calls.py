"""Blocking service calls with a timeout."""

import threading
from typing import Any

from rclpy.client import Client
from rclpy.node import Node

from dbp_ros.errors import DbpError

CALL_LIMIT_S = 10.0
# A server that has just discovered the client may lose its first response: the call is repeated.
RESPONSE_S = 3.0


class ServiceCalls:
    """Clients of a node. Methods block: call them from a thread that does not spin it."""

    def __init__(self, node: Node) -> None:
        """Use a node.

        Args:
            node: Node of the clients, spun by another thread.
        """
        self._node = node
        self._clients: dict[str, Client] = {}

    def client(self, kind: Any, service: str) -> Client:
        """Return the client of a service, created at the first call."""
        if service not in self._clients:
            self._clients[service] = self._node.create_client(kind, service)
        return self._clients[service]

    def call(
        self,
        kind: Any,
        service: str,
        request: Any,
        limit_s: float = CALL_LIMIT_S,
        discovery_limit_s: float = 3 * CALL_LIMIT_S,
    ) -> Any:
        """Call a service; return its response.

        Args:
            kind: Service type.
            service: Service name, relative to the node.
            request: The request, repeated without a response.
            limit_s: Timeout of the response, in [s].
            discovery_limit_s: Timeout of the discovery of the server, in [s].

        Raises:
            DbpError: If there is no server, no response in time, or the request is rejected.
        """
        client = self.client(kind, service)
        if not client.wait_for_service(timeout_sec=discovery_limit_s):
            raise DbpError(f"no server for {service}: check that the stack is running")
        for attempt_s in _attempts(limit_s):
            response = _response(client, request, attempt_s)
            if response is not None:
                break
        else:
            raise DbpError(f"{service} did not respond within {limit_s:.0f} s")
        if not getattr(response, "success", True):
            raise DbpError(
                f"{service} rejected the request: {getattr(response, 'message', 'see its log')}"
            )
        return response


def _attempts(limit_s: float) -> list[float]:
    """Return the timeout of each attempt."""
    whole, rest = divmod(limit_s, RESPONSE_S)
    return [RESPONSE_S] * int(whole) + ([rest] if rest else [])


def _response(client: Client, request: Any, limit_s: float) -> Any:
    """Return the response of a service; None at the timeout."""
    received = threading.Event()
    future = client.call_async(request)
    future.add_done_callback(lambda _: received.set())
    if received.wait(limit_s):
        return future.result()
    client.remove_pending_request(future)
    return None
