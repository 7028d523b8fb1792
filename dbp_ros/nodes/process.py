"""A node as a process: starts it, spins it, and ends it cleanly, by a signal or by a failure.

A failure is an exception that leaves a callback or a thread of the node. It ends the process with
a status other than zero, so that whatever supervises the process notices.
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
# A callback that takes longer must not delay the rest of the arms.
SPINNER_ENDS_S = 0.5
OURS = ("dbp_ros.", "__main__")

Spun = TypeVar("Spun", bound=Node)


class Closable(Protocol):
    """Something that stops its own threads."""

    def close(self) -> None:
        """Stop what was started."""


class ClosableNode(Node, Closable):  # type: ignore[misc]
    """A node with threads of its own."""


def run_node(make: Callable[[], ClosableNode], arguments: Sequence[str] | None = None) -> int:
    """Run a node until SIGINT, SIGTERM, or an exception that leaves a callback or a thread.

    The node's own threads stop before the middleware does, so that none publishes into the void.

    Args:
        make: Builds the node.
        arguments: ROS arguments; those of the command line if None.

    Returns:
        The process's exit status: 0 after a signal, 1 where the node could not be built or failed.
    """
    # None for a signal. The next signal may interrupt a handler: `put` is reentrant, an event's
    # `set` is not.
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
    spinner.join(timeout=SPINNER_ENDS_S)
    for failure in failures:
        _report(node, failure)
    try:
        node.close()
    except Exception as error:
        failures.append(error)
        _report(node, error)
    rclpy.try_shutdown()
    return int(bool(failures))


def failure_of(error: BaseException) -> str:
    """Return an exception in one line: its type, its message, and the place in this package."""
    places = _places(error.__traceback__)
    # The frame that spins, closes or starts a thread says nothing about the cause.
    place = _innermost_of_ours(places[1:]) or "".join(places[-1:])
    sentence = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return f"{sentence} (in {place})" if place else sentence


def _reason_of(error: BaseException) -> str:
    """Return why a node ends; our own errors are sentences that name the cause."""
    return str(error) if isinstance(error, DbpError) else failure_of(error)


def _report(node: Node, failure: BaseException) -> None:
    """Log why a node ends; its traceback with `--ros-args --log-level debug`."""
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
    """Spin in slices: the executor's own endless `spin` serves nothing in these releases.

    Args:
        ended: Ends it when it is set.
        executor: Whose callbacks to run.
        node: Logs malformed messages, which are ignored.
    """
    refused: set[str] = set()
    while not ended.is_set():
        try:
            executor.spin_once(timeout_sec=SPIN_SLICE_S)
        except ExternalShutdownException:
            return
        except Exception as error:
            if not _of_rclpy_alone(error):
                raise
            if (reason := failure_of(error)) not in refused:
                refused.add(reason)
                node.get_logger().warning(f"a malformed message or request is ignored: {reason}")


def _of_rclpy_alone(error: Exception) -> bool:
    """Return whether an exception left a callback of rclpy that calls none of ours.

    rclpy's own services and subscriptions raise on what they cannot read: a parameter of an
    unknown type, a `/clock` before 1970. Nothing of this package is at fault there.
    """
    places = _places(error.__traceback__)[1:]
    return places != [] and places[0].startswith("rclpy.") and not _innermost_of_ours(places)


def _innermost_of_ours(places: Sequence[str]) -> str:
    return next((place for place in reversed(places) if place.startswith(OURS)), "")


def _places(frames: TracebackType | None) -> list[str]:
    """Return the functions that an exception has left, outermost first: module, name and line."""
    return [
        f"{_module(frame)}.{frame.f_code.co_name}, line {line}"
        for frame, line in traceback.walk_tb(frames)
    ]


def _module(frame: FrameType) -> str:
    """Return the name of a frame's module, also of one that runs as a program."""
    spec = frame.f_globals.get("__spec__")
    return spec.name if spec else str(frame.f_globals.get("__name__", ""))


@contextmanager
def spinning(make: Callable[[], Spun]) -> Iterator[Spun]:
    """Spin a node in a thread for as long as the block lasts, and leave signals to the caller.

    Args:
        make: Builds the node.

    Yields:
        The node, whose methods the block may call.

    Raises:
        DbpError: At the end of the block, if an exception left a callback of the node.
    """
    choose_transports()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    ended = threading.Event()
    failures: list[Exception] = []
    node = make()
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
            reason = failure_of(failures[0])
            raise DbpError(f"a callback of {name} failed: {reason}") from failures[0]
