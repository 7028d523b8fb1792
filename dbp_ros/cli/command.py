"""Command line with several verbs, which imports only the module of the requested verb."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from dbp_ros import __version__
from dbp_ros.errors import DbpError
from dbp_ros.extras import install_hint

# A shell adds this to the number of the signal that ended a process.
SIGNAL_STATUS = 128
INTERRUPTED = SIGNAL_STATUS + signal.SIGINT
# Signals that end a command, with their default handlers.
END_SIGNALS: dict[signal.Signals, Callable[[int, FrameType | None], Any] | signal.Handlers] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}

# Adds description, arguments and the default `run` of a verb to its parser.
Register = Callable[[argparse.ArgumentParser], None]


@dataclass(frozen=True)
class Verb:
    """A verb of a command.

    Attributes:
        name: Name, or the group and the name.
        help: One line for the list of verbs in `--help`.
        extras: Extras of the package that the verb needs.
    """

    name: str
    help: str
    extras: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """A command with its verbs.

    Attributes:
        name: Name of the program.
        description: First line of `--help`.
        verbs: All verbs.
        groups: Help text of each group of verbs.
        load: Imports the module of a verb and returns its `register`. A robot computer has no
            torch and a training machine no ROS, so only the requested verb is imported.
    """

    name: str
    description: str
    verbs: Sequence[Verb]
    groups: Mapping[str, str]
    load: Callable[[str], Register]

    def run(self, argv: Sequence[str]) -> int:
        """Run a command line without the program name.

        Returns:
            The exit status: 1 after an error that the user can fix, 2 if it is in an environment
            of the user, 130 after Ctrl-C, 143 after SIGTERM.
        """
        with recorded_interrupts() as interrupts:
            try:
                arguments = self._parser(self._requested(argv)).parse_args(argv)
                return int(arguments.run(arguments))
            except KeyboardInterrupt:
                return SIGNAL_STATUS + (interrupts or [signal.SIGINT])[0]
            except Exception as error:
                return SIGNAL_STATUS + interrupts[0] if interrupts else _report(error)

    def _requested(self, argv: Sequence[str]) -> str:
        """Return the name of the requested verb; empty if there is none."""
        names = [word for word in argv if not word.startswith("-")]
        return " ".join(names[: 2 if names[:1] and names[0] in self.groups else 1])

    def _parser(self, requested: str) -> argparse.ArgumentParser:
        """Return a parser with all verbs, of which the requested one has its flags."""
        parser = argparse.ArgumentParser(prog=self.name, description=self.description)
        parser.add_argument("--version", action="version", version=f"dbp_ros {__version__}")
        subparsers = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
        groups = {
            name: subparsers.add_parser(name, help=text, description=text).add_subparsers(
                title="verbs", metavar="VERB", required=True
            )
            for name, text in self.groups.items()
        }
        for verb in self.verbs:
            group, _, word = verb.name.rpartition(" ")
            parent = groups[group] if group else subparsers
            verb_parser = parent.add_parser(word, help=verb.help)
            if verb.name == requested:
                self._register(verb)(verb_parser)
        return parser

    def _register(self, verb: Verb) -> Register:
        try:
            return self.load(verb.name)
        except ModuleNotFoundError as error:
            if (error.name or "dbp_ros").startswith("dbp_ros"):
                raise
            library = (error.name or "").partition(".")[0]
            hint = install_hint(library, verb.extras)
            raise DbpError(f"{self.name} {verb.name} needs {library}; {hint}") from error


@contextmanager
def recorded_interrupts() -> Iterator[list[int]]:
    """Raise `KeyboardInterrupt` at each SIGINT and SIGTERM of the block, and record its number.

    `KeyboardInterrupt` in the callback of a C library becomes another exception, such as the
    `ArgumentError` of ctypes. A forked child ends at SIGTERM without an exception.
    """
    interrupts: list[int] = []
    process = os.getpid()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM and os.getpid() != process:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        interrupts.append(number)
        raise KeyboardInterrupt

    in_main_thread = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in END_SIGNALS if in_main_thread}
    replaced = [number for number, handler in before.items() if handler == END_SIGNALS[number]]
    for number in replaced:
        signal.signal(number, interrupt)
    try:
        yield interrupts
    finally:
        for number in replaced:
            if signal.getsignal(number) is interrupt:
                signal.signal(number, END_SIGNALS[number])


def _report(error: Exception) -> int:
    """Print an error that the user can fix, and return the exit status."""
    if isinstance(error, BrokenPipeError):
        # The reader of stdout has exited, so the flush at exit would fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif isinstance(error, DbpError):
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    elif isinstance(error, OSError):
        print(f"error: {_message(error)}", file=sys.stderr)
    else:
        raise error
    return 1


def _message(error: OSError) -> str:
    """Return the error message of the operating system, with the file name if there is one."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else reason
