"""The benchmarks as a command: `dbp bench`, or `python -m benchmarks`."""

import sys
from collections.abc import Sequence

from dbp_ros.cli.command import Command, Register, Verb

VERBS = (
    Verb(
        "infer", "what a decision costs, and what it costs at the least", ("learn", "sim", "bench")
    ),
    Verb("rate", "how punctual the stack is, under several loads", ("ros", "sim", "bench")),
    Verb("scale", "what cameras, pixels, arms and decisions cost", ("learn", "sim")),
    Verb("page", "update the tables of docs/results", ("learn", "sim", "bench")),
    Verb("swap", "swap models under a robot that moves", ("ros", "sim")),
    Verb("chunks", "success and jerk of ways to join chunks", ("sim",)),
    Verb("modes", "the two-route toy: who keeps both modes", ("learn",)),
    Verb("sim", "success in the simulated cell, by states and by pictures", ("learn", "sim")),
    Verb("rl", "success of policies that learn online", ("learn", "sim", "metaworld")),
    Verb("metaworld", "success over Meta-World tasks", ("learn", "sim", "metaworld")),
)


def load(verb: str) -> Register:
    """Import the module of a benchmark and return its `register` function."""
    match verb:
        case "infer":
            from benchmarks.infer.run import register
        case "rate":
            from benchmarks.rate.run import register
        case "scale":
            from benchmarks.scale.run import register
        case "page":
            from benchmarks.page import register
        case "swap":
            from benchmarks.swap import register
        case "chunks":
            from benchmarks.chunks import register
        case "modes":
            from benchmarks.modes import register
        case "sim":
            from benchmarks.sim.run import register
        case "rl":
            from benchmarks.rl.run import register
        case "metaworld":
            from benchmarks.metaworld.run import register
        case _:
            raise ValueError(f"{verb} is no benchmark")
    return register


BENCH = Command(
    "dbp bench", "Measure: each benchmark prints a table, writes CSV and PNG.", VERBS, {}, load
)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; see `Command.run`."""
    return BENCH.run(sys.argv[1:] if words is None else words)


if __name__ == "__main__":
    sys.exit(main())
