"""Calls of services of other nodes, with a deadline on each."""

import threading
from typing import Any

from rclpy.client import Client
from rclpy.node import Node

from dbp_ros.errors import DbpError

CALL_LIMIT_S = 10.0
# A server that discovered the client just now may lose its first answer: the call is repeated.
ANSWER_S = 3.0


class ServiceCalls:
    """Clients of a node. Its methods block: call them from a thread that does not spin it."""

    def __init__(self, node: Node) -> None:
        """Prepare.

        Args:
            node: Owns the clients, and is spun by another thread.
        """
        self._node = node
        self._clients: dict[str, Client] = {}

    def client(self, kind: Any, service: str) -> Client:
        """Return the client of a service, which discovers the server from its creation on."""
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
        """Return the response of a service.

        Args:
            kind: Its type.
            service: Its name, relative to the node.
            request: What to send, again where no answer comes.
            limit_s: How long the answer may take.
            discovery_limit_s: How long it may take to find the server.

        Raises:
            DbpError: If there is no server, or it does not answer in time, or refuses.
        """
        client = self.client(kind, service)
        if not client.wait_for_service(timeout_sec=discovery_limit_s):
            raise DbpError(f"no node offers the service {service}: is the stack running?")
        for attempt_s in _attempts(limit_s):
            response = _answer(client, request, attempt_s)
            if response is not None:
                break
        else:
            raise DbpError(f"{service} did not answer within {limit_s:.0f} s")
        if not getattr(response, "success", True):
            raise DbpError(f"{service} refused: {getattr(response, 'message', 'see its log')}")
        return response


def _attempts(limit_s: float) -> list[float]:
    """Return how long to wait for each answer."""
    whole, rest = divmod(limit_s, ANSWER_S)
    return [ANSWER_S] * int(whole) + ([rest] if rest else [])


def _answer(client: Client, request: Any, limit_s: float) -> Any:
    """Return the response of a service, None where there is none in time."""
    answered = threading.Event()
    future = client.call_async(request)
    future.add_done_callback(lambda _: answered.set())
    if answered.wait(limit_s):
        return future.result()
    client.remove_pending_request(future)
    return None
