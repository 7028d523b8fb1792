"""Execution of a node as a process, until a signal or a failure.

A failure is an exception that leaves a callback or a thread of the node. The exit status of the
process is then not zero, for its supervisor.
"""

import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import Protocol, TypeVar

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from dbp_ros.errors import ConfigError, DbpError
from dbp_ros.nodes.middleware import choose_transports

SPIN_SLICE_S = 0.2
# A longer callback must not delay bringing the arms to rest.
JOIN_S = 0.5
OWN_MODULES = ("dbp_ros.", "__main__")

Spun = TypeVar("Spun", bound=Node)


class Closable(Protocol):
    """Object with threads to stop."""

    def close(self) -> None:
        """Stop the threads."""


class ClosableNode(Node, Closable):  # type: ignore[misc]
    """Node with its own threads."""


def run_node(make: Callable[[], ClosableNode], arguments: Sequence[str] | None = None) -> int:
    """Run a node until SIGINT, SIGTERM, or an exception that leaves a callback or a thread.

    The node's threads stop before the middleware, so that none uses it after its shutdown.

    Args:
        make: Creates the node.
        arguments: ROS arguments; those of the command line if None.

    Returns:
        Exit status of the process: 0 after a signal, 1 if the node could not be created or failed.
    """
    # None for a signal. A signal may interrupt a handler: `put` is reentrant, an event's `set` is
    # not.
    ends: SimpleQueue[BaseException | None] = SimpleQueue()

    def end(number: int, frame: FrameType | None) -> None:
        ends.put(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    threading.excepthook = lambda failed: ends.put(failed.exc_value)
    try:
        _init(arguments)
        node = make()
    except Exception as error:
        print(f"error: {_reason_of(error)}", file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    executor = EventsExecutor()
    executor.add_node(node)
    ended = threading.Event()

    def spin() -> None:
        spin_until(ended, executor, node)
        ends.put(None)

    spinner = threading.Thread(target=spin, name="callbacks", daemon=True)
    spinner.start()
    failures = [failure for failure in [ends.get()] if failure is not None]
    ended.set()
    executor.wake()
    spinner.join(timeout=JOIN_S)
    for failure in failures:
        _report(node, failure)
    try:
        node.close()
    except Exception as error:
        failures.append(error)
        _report(node, error)
    rclpy.try_shutdown()
    return int(bool(failures))


def describe_failure(error: BaseException) -> str:
    """Return an exception in one line: type, message, and location in this package."""
    frames = _frames(error.__traceback__)
    # The outermost frame spins, closes or starts a thread: it is not the cause.
    location = _innermost_own(frames[1:]) or "".join(frames[-1:])
    sentence = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return f"{sentence} (in {location})" if location else sentence


def _reason_of(error: BaseException) -> str:
    """Return why a node ends; errors of this package need no traceback."""
    return str(error) if isinstance(error, DbpError) else describe_failure(error)


def _report(node: Node, failure: BaseException) -> None:
    """Log why a node ends, and the traceback at log level debug."""
    logger = node.get_logger()
    logger.fatal(f"{node.get_name()} failed and ends: {_reason_of(failure)}")
    logger.debug("".join(traceback.format_exception(failure)))


def _init(arguments: Sequence[str] | None) -> None:
    choose_transports()
    try:
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        sentence = " ".join(str(error).split())
        raise ConfigError(f"the ROS arguments cannot be read: {sentence}") from error


def spin_until(ended: threading.Event, executor: EventsExecutor, node: Node) -> None:
    """Spin in slices until an event is set.

    `EventsExecutor.spin` runs no callbacks in the supported releases.

    Args:
        ended: Ends the spinning.
        executor: Executor to spin.
        node: Logs malformed messages, which are ignored.
    """
    logged: set[str] = set()
    while not ended.is_set():
        try:
            executor.spin_once(timeout_sec=SPIN_SLICE_S)
        except ExternalShutdownException:
            return
        except Exception as error:
            if not _is_rclpy_error(error):
                raise
            if (reason := describe_failure(error)) not in logged:
                logged.add(reason)
                node.get_logger().warning(f"a malformed message or request is ignored: {reason}")


def _is_rclpy_error(error: Exception) -> bool:
    """Return whether an exception is from a callback of rclpy without frames of this package.

    The services and subscriptions of rclpy raise on malformed messages: a parameter of an unknown
    type, a `/clock` before 1970.
    """
    frames = _frames(error.__traceback__)[1:]
    return frames != [] and frames[0].startswith("rclpy.") and not _innermost_own(frames)


def _innermost_own(frames: Sequence[str]) -> str:
    return next((frame for frame in reversed(frames) if frame.startswith(OWN_MODULES)), "")


def _frames(trace: TracebackType | None) -> list[str]:
    """Return module, function and line of each frame of a traceback, outermost first."""
    return [
        f"{_module(frame)}.{frame.f_code.co_name}, line {line}"
        for frame, line in traceback.walk_tb(trace)
    ]


def _module(frame: FrameType) -> str:
    """Return the name of a frame's module, also for `__main__`."""
    spec = frame.f_globals.get("__spec__")
    return spec.name if spec else str(frame.f_globals.get("__name__", ""))


@contextmanager
def spinning(make: Callable[[], Spun]) -> Iterator[Spun]:
    """Spin a node in a thread during the block, without signal handlers.

    Args:
        make: Creates the node.

    Yields:
        The node.

    Raises:
        DbpError: At the end of the block, if an exception left a callback of the node.
    """
    choose_transports()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    ended = threading.Event()
    failures: list[Exception] = []
    try:
        node = make()
    except BaseException:
        rclpy.try_shutdown()
        raise
    executor = EventsExecutor()
    executor.add_node(node)

    def spin() -> None:
        try:
            spin_until(ended, executor, node)
        except Exception as error:
            failures.append(error)

    spinner = threading.Thread(target=spin, name="callbacks", daemon=True)
    spinner.start()
    try:
        yield node
    finally:
        ended.set()
        spinner.join(timeout=2.0)
        name = node.get_name()
        node.destroy_node()
        rclpy.try_shutdown()
        if failures:
            reason = describe_failure(failures[0])
            raise DbpError(f"a callback of {name} failed: {reason}") from failures[0]
