"""`dbp bench metaworld`: success over Meta-World's tasks, its own experts and success test."""

import argparse

from benchmarks.commands.comparison import add_flags, check_flags, run_rows
from benchmarks.metaworld import COLUMNS, KEY, METHODS, NAME, SUITES, metaworld_jobs, run_metaworld
from benchmarks.metaworld_report import OBSERVED, draw, summary
from benchmarks.methods import select_methods
from dbp_ros.cli.terminal import show, terminal
from dbp_ros.evaluation.result_table import ResultTable


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the benchmark."""
    parser = subparsers.add_parser(
        "metaworld", help="success over Meta-World tasks and demonstrations", description=__doc__
    )
    add_flags(parser, NAME, METHODS)
    parser.add_argument(
        "--suite",
        choices=tuple(SUITES),
        default="smoke",
        help="smoke: 3 tasks; standard: 8 tasks at 5, 10, 25 demonstrations; paper: the paper's "
        "34 at 10 (default: smoke)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run what is missing, then print and draw."""
    check_flags(arguments)
    console = terminal()
    chosen, suite = select_methods(arguments.methods), SUITES[arguments.suite]
    table = ResultTable(arguments.out, NAME, COLUMNS, KEY)
    facts = {"suite": arguments.suite, "seeds": arguments.seeds, "observations": OBSERVED}
    table.describe(facts)
    jobs = metaworld_jobs(chosen, suite, arguments.seeds, table)
    run_rows(table, jobs, run_metaworld, arguments.workers, console)
    title = f"Meta-World, suite {arguments.suite}, {OBSERVED}: mean success over tasks"
    show(console, title, summary(table))
    console.print(f"{table.path}, {draw(table)}")
    return 0
