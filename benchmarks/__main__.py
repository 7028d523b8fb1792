"""Command `dbp bench`, also `python -m benchmarks`."""

import sys
from collections.abc import Sequence

from dbp_ros.cli.command import Command, Register, Verb

VERBS = (
    Verb("infer", "time of a decision by network, sampler and runtime", ("learn", "sim", "bench")),
    Verb("rate", "rates, jitter and latency of the stack under load", ("ros", "sim", "bench")),
    Verb("scale", "cost by cameras, pixels, horizon, arms and rate", ("learn", "sim")),
    Verb(
        "page", "update the tables of docs/results", ("ros", "learn", "sim", "metaworld", "bench")
    ),
    Verb("swap", "jitter of decisions during model swaps", ("ros", "sim")),
    Verb("chunks", "success and jerk by execution mode of chunks", ("sim",)),
    Verb("robust", "success under disturbances of cameras, light and robot", ("sim",)),
    Verb("modes", "mode coverage on a multimodal toy task", ("learn",)),
    Verb("sim", "success rate in the simulated cell", ("learn", "sim")),
    Verb("rl", "success rate of online learning", ("learn", "sim", "metaworld")),
    Verb("falls", "falls of the success during online learning", ("learn", "sim", "metaworld")),
    Verb("teach", "time from demonstrations to a policy", ("ros", "sim", "panel", "data", "learn")),
    Verb(
        "mouse",
        "a demonstration by the mouse in a headless browser",
        ("ros", "sim", "panel", "data", "learn", "bench"),
    ),
    Verb(
        "panel",
        "tour of the operator's page in a headless browser",
        ("ros", "sim", "panel", "bench"),
    ),
    Verb("metaworld", "success rate on Meta-World tasks", ("learn", "sim", "metaworld")),
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
        case "panel":
            from benchmarks.panel import register
        case "chunks":
            from benchmarks.chunks import register
        case "robust":
            from benchmarks.robust import register
        case "modes":
            from benchmarks.modes import register
        case "sim":
            from benchmarks.sim.run import register
        case "rl":
            from benchmarks.rl.run import register
        case "falls":
            from benchmarks.rl.falls import register
        case "teach":
            from benchmarks.teach.run import register
        case "mouse":
            from benchmarks.teach.browser_run import register
        case "metaworld":
            from benchmarks.metaworld.run import register
        case _:
            raise ValueError(f"{verb} is not a benchmark")
    return register


BENCH = Command(
    "dbp bench",
    "Run benchmarks; each prints a table and writes CSV and PNG files.",
    VERBS,
    {},
    load,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `Command.run`."""
    return BENCH.run(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
