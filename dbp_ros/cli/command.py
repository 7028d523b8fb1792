"""A command line of several verbs, of which only the requested one is imported."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dbp_ros import __version__
from dbp_ros.errors import DbpError
from dbp_ros.extras import install_hint

INTERRUPTED = 130

# Adds a verb to the parser; the verb sets `run` in the parsed arguments.
Register = Callable[["argparse._SubParsersAction[argparse.ArgumentParser]"], None]


@dataclass(frozen=True)
class Verb:
    """A verb of a command.

    Attributes:
        name: What the user types: a word, or a group and a word.
        help: One line for `--help`.
        extras: Extras of the package that the verb needs.
        load: Imports the module of the verb and returns its `register`. A robot computer has no
            torch and a training machine no ROS, so a verb is imported only when it is requested.
    """

    name: str
    help: str
    extras: tuple[str, ...]
    load: Callable[[], Register]


@dataclass(frozen=True)
class Command:
    """A command with its verbs.

    Attributes:
        name: What the user types.
        description: First line of `--help`.
        verbs: All verbs.
        groups: Help text of each group of verbs.
    """

    name: str
    description: str
    verbs: Sequence[Verb]
    groups: Mapping[str, str]

    def run(self, words: Sequence[str]) -> int:
        """Run a command line without its first word.

        Returns:
            The exit status: 1 after an error that the user can fix, 130 after Ctrl-C.
        """
        try:
            arguments = self._parser(self._requested(words)).parse_args(words)
            return int(arguments.run(arguments))
        except DbpError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except BrokenPipeError:
            # The reader of the output has exited: Python must not flush it at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except OSError as error:
            print(f"error: {_sentence(error)}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return INTERRUPTED

    def _requested(self, words: Sequence[str]) -> str:
        """Return the name of the verb that a command line requests, if it can be found."""
        plain = [word for word in words if not word.startswith("-")]
        return " ".join(plain[: 2 if plain[:1] and plain[0] in self.groups else 1])

    def _parser(self, requested: str) -> argparse.ArgumentParser:
        """Return a parser with the names of all verbs and the flags of the requested one."""
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
            family = groups[group] if group else subparsers
            if verb.name == requested:
                self._load(verb)(family)
            else:
                family.add_parser(word, help=verb.help)
        return parser

    def _load(self, verb: Verb) -> Register:
        try:
            return verb.load()
        except ModuleNotFoundError as error:
            if (error.name or "dbp_ros").startswith("dbp_ros"):
                raise
            library = (error.name or "").partition(".")[0]
            hint = install_hint(library, verb.extras)
            raise DbpError(f"{self.name} {verb.name} needs {library}; {hint}") from error


def _sentence(error: OSError) -> str:
    """Return what the operating system refused, such as to write to a full disk."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else reason
