"""`dbp bench sim`: success in the simulated cell, of policies that see states or pictures."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from rich.console import Console

from benchmarks.commands.comparison import add_flags, check_flags, run_rows
from benchmarks.lockstep import EXECUTED
from benchmarks.methods import select_methods
from benchmarks.sim import (
    COLUMNS,
    KEY,
    METHODS,
    NAME,
    OBSERVATIONS,
    SHARED,
    SUITES,
    SimJob,
    SimSuite,
    draw,
    groups,
    run_sim,
    sim_jobs,
    summary,
    title,
)
from dbp_ros.cli.terminal import progress_of, show, terminal
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.collection import backend_of, record
from dbp_ros.evaluation.result_table import ResultTable
from dbp_ros.settings.config import check_at_least
from dbp_ros.sim.tasks.registry import TASKS


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the benchmark."""
    parser = subparsers.add_parser(
        "sim", help="success in the simulated cell, by states and by pictures", description=__doc__
    )
    add_flags(parser, NAME, METHODS)
    parser.add_argument(
        "--suite",
        choices=tuple(SUITES),
        default="standard",
        help="smoke: lift by states, in minutes; standard: all of it, in a night "
        "(default: standard); the other flags change what it asks",
    )
    parser.add_argument("--tasks", help=f"some of {', '.join(TASKS)}, with commas")
    parser.add_argument("--observations", help=f"some of {', '.join(OBSERVATIONS)}, with commas")
    parser.add_argument("--demos", type=int, help="demonstrations of each task")
    parser.add_argument("--episodes", type=int, help="of each evaluation")
    parser.add_argument("--updates", type=int, help="of each training")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Record and run what is missing, then print and draw."""
    check_flags(arguments)
    console = terminal()
    chosen, suite = select_methods(arguments.methods), suite_of(arguments)
    table = ResultTable(arguments.out, NAME, COLUMNS, KEY)
    jobs = sim_jobs(chosen, suite, arguments.seeds, table)
    backends = {job.plan.size: backend_of(job.plan) for job in jobs}
    table.describe(
        {
            **asdict(suite),
            "seeds": arguments.seeds,
            "executed": EXECUTED,
            "cameras": sorted(set(backends.values())),
            "shared": asdict(SHARED),
        }
    )
    record_missing(jobs, suite.demos, arguments.workers, console)
    run_rows(table, jobs, run_sim, arguments.workers, console)
    for group in groups(table):
        show(console, f"mean success: {title(group)}", summary(table, group))
    console.print(f"{table.path}, {draw(table)}")
    return 0


def suite_of(arguments: argparse.Namespace) -> SimSuite:
    """Return the suite with what the flags change of it.

    Raises:
        ConfigError: If a name is unknown or a number makes no sense.
    """
    suite = SUITES[arguments.suite]
    given: dict[str, Any] = {
        field: value for field in asdict(suite) if (value := getattr(arguments, field)) is not None
    }
    for field, known in (("tasks", tuple(TASKS)), ("observations", OBSERVATIONS)):
        if field in given:
            given[field] = _chosen(field, given[field], known)
    suite = replace(suite, **given)
    check_at_least(1, demos=suite.demos, episodes=suite.episodes, updates=suite.updates)
    return suite


def _chosen(flag: str, text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return names that were given with commas."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names or (text,):
        if name not in known:
            raise ConfigError(f"--{flag} '{name}': use some of {', '.join(known)}")
    return names


def record_missing(jobs: Sequence[SimJob], demos: int, workers: int, console: Console) -> None:
    """Record the demonstrations that the jobs need and that are not there."""
    plans = list(dict.fromkeys(job.plan for job in jobs))
    with progress_of(console) as progress:
        bar = progress.add_task("demonstrations", total=demos * len(plans))
        for plan in plans:
            for _ in record(plan, demos, workers):
                progress.advance(bar)
