"""`dbp bench rl`: what online learning makes of an imitated policy, step by step.

Judged are policies without exploration, in episodes that are not learned from. Runs that are in
the table are not made again; the policies that they begin and end with are kept beside it.
"""

import argparse

from benchmarks.commands.comparison import add_flags, check_flags, run_rows
from benchmarks.methods import chosen
from benchmarks.rl import COLUMNS, KEY, METHODS, NAME, rl_jobs, run_rl
from benchmarks.rl_envs import SUITES, arenas
from benchmarks.rl_report import draw, gains, summary
from dbp_ros.cli.terminal import show, terminal
from dbp_ros.evaluation.result_table import ResultTable


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the benchmark."""
    parser = subparsers.add_parser(
        "rl", help="success of policies that learn online", description=__doc__
    )
    add_flags(parser, NAME, tuple(METHODS), METHODS)
    parser.add_argument(
        "--suite",
        choices=tuple(SUITES),
        default="smoke",
        help="; ".join(f"{n}: {', '.join(a.name for a in arenas)}" for n, arenas in SUITES.items()),
    )
    parser.add_argument(
        "--envs", default="", help="some of the suite's environments, with commas (default: all)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run what is missing, then print and draw."""
    check_flags(arguments)
    console = terminal()
    methods = chosen(arguments.methods, METHODS)
    table = ResultTable(arguments.out, NAME, COLUMNS, KEY)
    table.describe({"suite": arguments.suite, "seeds": arguments.seeds})
    jobs = rl_jobs(methods, arenas(arguments.suite, arguments.envs), arguments.seeds, table)
    run_rows(table, jobs, run_rl, arguments.workers, console)
    show(console, "online learning: success, or the return where there is none", summary(table))
    show(console, "online learning: mean success over Meta-World's tasks", gains(table))
    console.print(f"{table.path}, {draw(table)}")
    return 0
