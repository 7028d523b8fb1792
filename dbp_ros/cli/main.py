"""The `dbp` command: finds the verb, imports it alone, and runs it."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dbp_ros import __version__
from dbp_ros.errors import DbpError
from dbp_ros.extras import install_hint

INTERRUPTED = 130


@dataclass(frozen=True)
class Verb:
    """A verb of the command and where it lives.

    Only the module of the verb that was asked for is imported: a robot's computer has no torch, a
    training machine no ROS.

    Attributes:
        name: What the user types: a word, or a group and a word.
        help: One line for `dbp --help`.
        extra: Extras of the package that it needs, with commas; empty for none.
    """

    name: str
    help: str
    extra: str

    @property
    def extras(self) -> tuple[str, ...]:
        """The extras one by one."""
        return tuple(filter(None, self.extra.split(",")))

    @property
    def module(self) -> str:
        """Module with `register(subparsers)`, which sets `run`."""
        return f"dbp_ros.cli.{self.name.replace(' ', '_').replace('-', '_')}"


VERBS = (
    Verb("demo", "watch a policy solve a task in the simulated cell", "ros,sim"),
    Verb("demo-learn", "watch a policy learn on the whole stack", "ros,sim,learn,learner"),
    Verb("up", "start the stack: guard, policy and, with --sim, the simulated cell", "ros,sim"),
    Verb("status", "what runs, what is wrong, and what to do next", "ros"),
    Verb("enable", "let the guard command the arms", "ros"),
    Verb("disable", "bring the arms to rest and command them no more", "ros"),
    Verb("stop", "emergency stop: bring the arms to rest and latch it", "ros"),
    Verb("reset", "clear a latched stop", "ros"),
    Verb("home", "move the arms to the robot's start pose", "ros"),
    Verb("activate", "let the policy publish actions", "ros"),
    Verb("deactivate", "let the policy publish nothing", "ros"),
    Verb("rollback", "bring back the model before", "ros"),
    Verb("episode new", "reset the simulated cell and begin an episode", "ros"),
    Verb("episode begin", "begin an episode of the policy and of the learner", "ros"),
    Verb("episode success", "end the episode as solved", "ros"),
    Verb("episode failure", "end the episode as failed", "ros"),
    Verb("cell activate", "let a controller of the simulated cell obey again", "ros"),
    Verb("cell deactivate", "switch a controller of the simulated cell off", "ros"),
    Verb("cell protective-stop", "let the simulated arms ignore every command", "ros"),
    Verb("trace", "write what every process did as a trace to open", "ros,sim"),
    Verb("collect", "record demonstrations of the scripted expert", "sim"),
    Verb("train", "fit a policy to recorded episodes", "learn"),
    Verb("finetune", "let a trained policy learn from rewards", "learn,sim,metaworld"),
    Verb("export", "turn a training run into a model bundle", "learn"),
    Verb("quantize", "make a model bundle of fewer bits", "learn,sim"),
    Verb("inspect", "explain a model bundle and prove that it works here", ""),
    Verb("evaluate", "measure how often a model solves its task", "sim"),
    Verb("bench infer", "what a decision costs, and what it costs at the least", "learn,sim"),
    Verb("bench rate", "how punctual the stack is, under several loads", "ros,sim"),
    Verb("bench scale", "what cameras, pixels, arms and decisions cost", "learn,sim"),
    Verb("bench page", "write the tables of docs/performance.md anew", "learn,sim"),
    Verb("bench swap", "swap models under a robot that moves", "ros,sim"),
    Verb("bench chunks", "success and jerk of ways to join chunks", "sim"),
    Verb("bench modes", "the two-route toy: who keeps both modes", "learn"),
    Verb("bench sim", "success in the simulated cell, by states and by pictures", "learn,sim"),
    Verb("bench rl", "success of policies that learn online", "learn,sim,metaworld"),
    Verb("bench metaworld", "success over Meta-World tasks", "learn,sim,metaworld"),
)
GROUPS = {
    "episode": "begin and end episodes of a running stack",
    "cell": "try faults of a robot in the simulated cell",
    "bench": "measure: each prints a table and writes CSV and PNG",
}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        words: The command line without its first word; that of the process if None.

    Returns:
        The exit status: 1 after an error that the user can mend, 130 after Ctrl-C.
    """
    words = sys.argv[1:] if words is None else list(words)
    try:
        arguments = _parser(_verb(words)).parse_args(words)
        return int(arguments.run(arguments))
    except DbpError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of the output is gone: Python must not try to flush it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _sentence(error: OSError) -> str:
    """Return what the operating system refused, such as to write to a full disk."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else reason


def _verb(words: Sequence[str]) -> str:
    """Return the name of the verb that a command line asks for, as far as it can be told."""
    plain = [word for word in words if not word.startswith("-")]
    return " ".join(plain[: 2 if plain[:1] and plain[0] in GROUPS else 1])


def _parser(chosen: str) -> argparse.ArgumentParser:
    """Return a parser that knows every verb by name, and the chosen one by heart."""
    parser = argparse.ArgumentParser(
        prog="dbp", description="Real-time control of robots by one-step drift-based policies."
    )
    parser.add_argument("--version", action="version", version=f"dbp_ros {__version__}")
    subparsers = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    groups = {
        name: subparsers.add_parser(name, help=text, description=text).add_subparsers(
            title="verbs", metavar="VERB", required=True
        )
        for name, text in GROUPS.items()
    }
    for verb in VERBS:
        group, _, word = verb.name.rpartition(" ")
        family = groups[group] if group else subparsers
        if verb.name == chosen:
            _module_of(verb).register(family)
        else:
            family.add_parser(word, help=verb.help)
    return parser


def _module_of(verb: Verb) -> Any:
    try:
        return importlib.import_module(verb.module)
    except ModuleNotFoundError as error:
        if (error.name or "dbp_ros").startswith("dbp_ros"):
            raise
        library = (error.name or "").partition(".")[0]
        hint = install_hint(library, verb.extras)
        raise DbpError(f"dbp {verb.name} needs {library}; {hint}") from error


if __name__ == "__main__":
    sys.exit(main())
