"""The node of the operator's page as a process."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from processes.fake_robot import process, wait_until

HOST = "127.0.0.1"


@contextmanager
def panel_page() -> Iterator[int]:
    """Serve the page until the end of the block; yield its port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    with process("panel_node", port=port):
        wait_until(lambda: _is_open(port), "the page")
        yield port


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
