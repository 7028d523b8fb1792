"""Non-blocking service calls that are sent when their servers are discovered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node


@dataclass
class _Call:
    client: Any
    request: Any
    receive: Callable[[Any], None]
    future: Any = None
    done: bool = False


class PendingCalls:
    """Pending calls of one node, each sent once. Call `advance` while the node is spun."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._calls: dict[str, _Call] = {}

    def add(self, kind: Any, service: str, request: Any, receive: Callable[[Any], None]) -> None:
        """Add a call, unless the service has one.

        Args:
            kind: Service type.
            service: Service name.
            request: The request.
            receive: Callback for the response, called by `advance`.
        """
        if service not in self._calls:
            self._calls[service] = _Call(self._node.create_client(kind, service), request, receive)

    def advance(self) -> None:
        """Send calls whose server is ready, and deliver responses."""
        for call in self._calls.values():
            if call.future is None:
                if call.client.service_is_ready():
                    call.future = call.client.call_async(call.request)
            elif not call.done and call.future.done():
                call.done = True
                if (response := call.future.result()) is not None:
                    call.receive(response)

    def close(self) -> None:
        """Destroy the clients and drop pending calls."""
        for call in self._calls.values():
            self._node.destroy_client(call.client)
        self._calls.clear()
