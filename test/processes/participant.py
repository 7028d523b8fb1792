"""A DDS participant of its own in this process, as another process would be."""

import threading
import time

from rclpy.context import Context
from rclpy.executors import ExternalShutdownException
from rclpy.experimental import EventsExecutor
from rclpy.node import Node

SPIN_SLICE_S = 0.01


class Participant:
    """A context with an executor that spins in a thread.

    Attributes:
        context: To make nodes with.
    """

    def __init__(self) -> None:
        self.context = Context()
        self.context.init()
        self._executor = EventsExecutor(context=self.context)
        self._spins = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._spin, name="participant", daemon=True)
        self._thread.start()

    def add(self, node: Node) -> None:
        """Spin a node from now on."""
        self._executor.add_node(node)

    def destroy(self, *nodes: Node) -> None:
        """Let nodes leave the graph, before others of their names may be made.

        The executor holds on to a node until it spins again, and the graph would then lose the
        wrong one of two nodes of a name.
        """
        for node in nodes:
            self._executor.remove_node(node)
        spins = self._spins
        while self._thread.is_alive() and self._spins < spins + 2:
            self._executor.wake()
            time.sleep(0.001)
        for node in nodes:
            node.destroy_node()

    def shut_down(self) -> None:
        """Leave the graph with all nodes."""
        self._ended.set()
        self._thread.join(timeout=2.0)
        for node in self._executor.get_nodes():
            node.destroy_node()
        self._executor.shutdown()
        self.context.try_shutdown()

    def _spin(self) -> None:
        try:
            while not self._ended.is_set():
                self._executor.spin_once(timeout_sec=SPIN_SLICE_S)
                self._spins += 1
        except ExternalShutdownException:
            pass
