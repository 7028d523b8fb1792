"""Thread that runs the callbacks of additional nodes of a process."""

import threading
from collections.abc import Sequence

from rclpy.experimental import EventsExecutor
from rclpy.node import Node

from dbp_ros.nodes.process import spin_until


class BackgroundSpinner:
    """Thread that runs the callbacks of some nodes.

    A callback may block without delaying those of the main node. An exception that leaves it ends
    the process.
    """

    def __init__(self, name: str, nodes: Sequence[Node]) -> None:
        """Start the thread.

        Args:
            name: Name of the thread.
            nodes: Nodes whose callbacks run sequentially.
        """
        self._logging = nodes[0]
        self._ended = threading.Event()
        self._executor = EventsExecutor()
        for node in nodes:
            self._executor.add_node(node)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, without waiting for a callback that blocks."""
        self._ended.set()
        self._executor.wake()
        self._thread.join(timeout=0.5)

    def _run(self) -> None:
        spin_until(self._ended, self._executor, self._logging)
