"""A node as a process: starts it, spins it, and ends it cleanly however it is told to end."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType
from typing import Protocol, TypeVar

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from dbp_ros.errors import ConfigError, DbpError
from dbp_ros.nodes.middleware import choose_transports

SPIN_SLICE_S = 0.2

Spun = TypeVar("Spun", bound=Node)


class Closable(Protocol):
    """Something that stops its own threads."""

    def close(self) -> None:
        """Stop what was started."""


class ClosableNode(Node, Closable):  # type: ignore[misc]
    """A node with threads of its own."""


def run_node(make: Callable[[], ClosableNode], arguments: Sequence[str] | None = None) -> int:
    """Run a node until it is told to end by SIGINT or SIGTERM, once or again and again.

    The node's own threads stop before the middleware does, so that none publishes into the void.

    Args:
        make: Builds the node.
        arguments: ROS arguments; those of the command line if None.

    Returns:
        The process's exit status: 0, or 1 where the node could not be built.
    """
    # The next signal may interrupt a handler: `put` stands that, an event's `set` waits for itself.
    told: SimpleQueue[int] = SimpleQueue()

    def end(number: int, frame: FrameType | None) -> None:
        told.put(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    try:
        _init(arguments)
        node = make()
    except DbpError as error:
        print(f"error: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    executor = EventsExecutor()
    executor.add_node(node)
    ended = threading.Event()

    def spin() -> None:
        try:
            _spin(executor, ended)
        finally:
            told.put(0)

    spinner = threading.Thread(target=spin, name="callbacks", daemon=True)
    spinner.start()
    told.get()
    ended.set()
    node.close()
    spinner.join(timeout=2.0)
    rclpy.try_shutdown()
    return 0


def _init(arguments: Sequence[str] | None) -> None:
    choose_transports()
    try:
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        sentence = " ".join(str(error).split())
        raise ConfigError(f"the ROS arguments cannot be read: {sentence}") from error


def _spin(executor: EventsExecutor, ended: threading.Event) -> None:
    """Spin in slices: the executor's own endless `spin` serves nothing in these releases."""
    try:
        while not ended.is_set():
            executor.spin_once(timeout_sec=SPIN_SLICE_S)
    except ExternalShutdownException:
        pass


@contextmanager
def spinning(make: Callable[[], Spun]) -> Iterator[Spun]:
    """Spin a node in a thread for as long as the block lasts, and leave signals to the caller.

    Args:
        make: Builds the node.

    Yields:
        The node, whose methods the block may call.
    """
    choose_transports()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    ended = threading.Event()
    node = make()
    executor = EventsExecutor()
    executor.add_node(node)
    spinner = threading.Thread(target=_spin, args=(executor, ended), name="callbacks", daemon=True)
    spinner.start()
    try:
        yield node
    finally:
        ended.set()
        spinner.join(timeout=2.0)
        node.destroy_node()
        rclpy.try_shutdown()
