"""The benchmarks as a command: `dbp bench`, or `python -m benchmarks`."""

import sys
from collections.abc import Sequence

from dbp_ros.cli.command import Command, Register, Verb


def _infer() -> Register:
    from benchmarks.infer import run

    return run.register


def _rate() -> Register:
    from benchmarks.rate import run

    return run.register


def _scale() -> Register:
    from benchmarks.scale import run

    return run.register


def _page() -> Register:
    from benchmarks import page

    return page.register


def _swap() -> Register:
    from benchmarks import swap

    return swap.register


def _chunks() -> Register:
    from benchmarks import chunks

    return chunks.register


def _modes() -> Register:
    from benchmarks import modes

    return modes.register


def _sim() -> Register:
    from benchmarks.sim import run

    return run.register


def _rl() -> Register:
    from benchmarks.rl import run

    return run.register


def _metaworld() -> Register:
    from benchmarks.metaworld import run

    return run.register


VERBS = (
    Verb(
        "infer",
        "what a decision costs, and what it costs at the least",
        ("learn", "sim", "bench"),
        _infer,
    ),
    Verb("rate", "how punctual the stack is, under several loads", ("ros", "sim", "bench"), _rate),
    Verb("scale", "what cameras, pixels, arms and decisions cost", ("learn", "sim"), _scale),
    Verb("page", "update the tables of docs/performance.md", ("learn", "sim", "bench"), _page),
    Verb("swap", "swap models under a robot that moves", ("ros", "sim"), _swap),
    Verb("chunks", "success and jerk of ways to join chunks", ("sim",), _chunks),
    Verb("modes", "the two-route toy: who keeps both modes", ("learn",), _modes),
    Verb("sim", "success in the simulated cell, by states and by pictures", ("learn", "sim"), _sim),
    Verb("rl", "success of policies that learn online", ("learn", "sim", "metaworld"), _rl),
    Verb("metaworld", "success over Meta-World tasks", ("learn", "sim", "metaworld"), _metaworld),
)
BENCH = Command(
    "dbp bench", "Measure: each benchmark prints a table, writes CSV and PNG.", VERBS, {}
)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; see `Command.run`."""
    return BENCH.run(sys.argv[1:] if words is None else words)


if __name__ == "__main__":
    sys.exit(main())
