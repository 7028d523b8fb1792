"""`dbp bench modes`: which methods keep both routes of a choice, with one forward pass."""

import argparse

from benchmarks.commands.comparison import add_flags, check_flags, run_rows
from benchmarks.methods import METHODS, select_methods
from benchmarks.modes import COLUMNS, NAME, SHARED, draw, modes_jobs, run_modes, summary
from dbp_ros.cli.terminal import show, terminal
from dbp_ros.evaluation.result_table import ResultTable
from dbp_ros.settings.config import check_at_least


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the benchmark."""
    parser = subparsers.add_parser(
        "modes", help="the two-route toy: who keeps both modes", description=__doc__
    )
    add_flags(parser, NAME, tuple(METHODS))
    parser.add_argument(
        "--updates", type=int, default=SHARED.num_steps, help="of each run (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run what is missing, then print and draw."""
    check_flags(arguments)
    check_at_least(1, updates=arguments.updates)
    console = terminal()
    chosen = select_methods(arguments.methods)
    table = ResultTable(arguments.out, NAME, COLUMNS, ("method", "seed", "updates"))
    jobs = modes_jobs(chosen, arguments.seeds, arguments.updates, table)
    table.describe({"seeds": arguments.seeds, "updates": arguments.updates})
    run_rows(table, jobs, run_modes, arguments.workers, console)
    show(console, "two routes: 0.7 of the demonstrations take the first", summary(table))
    console.print(f"{table.path}, {draw(table)}")
    return 0
