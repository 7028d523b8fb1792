"""A separate DDS participant in this process, in place of another process."""

import os
import threading
import time

from rclpy.context import Context
from rclpy.executors import ExternalShutdownException
from rclpy.experimental import EventsExecutor
from rclpy.node import Node

from dbp_ros.runtime.realtime import lower_retrying_threads

SPIN_SLICE_S = 0.01


class Participant:
    """A ROS context with an executor in a thread.

    Attributes:
        context: Context for its nodes.
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
        """Add a node to the executor; the first node starts the threads of the middleware."""
        if os.sched_getscheduler(0) == os.SCHED_FIFO:
            lower_retrying_threads(os.sched_getparam(0).sched_priority)
        self._executor.add_node(node)

    def destroy(self, *nodes: Node) -> None:
        """Destroy nodes so that new nodes may have their names.

        The executor refers to a node until its next spin. If two nodes have one name, the graph
        would remove the wrong one.
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
        """Destroy all nodes and shut the context down."""
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
