"""Flags and job execution shared by the benchmarks that compare methods."""

import argparse
import os
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console

from benchmarks.flags import add_out
from benchmarks.methods import METHODS
from dbp_ros.cli.terminal import progress_of
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.evaluation.worker_pool import Job, run_in_workers
from dbp_ros.settings.flags import check_at_least


def add_flags(
    parser: argparse.ArgumentParser,
    name: str,
    methods: Sequence[str],
    known: Iterable[str] = tuple(METHODS),
) -> None:
    """Add the flags that every comparison of methods has.

    Args:
        parser: Parser of the benchmark.
        name: Name of the benchmark's table and plot.
        methods: Default methods.
        known: Valid methods.
    """
    parser.add_argument(
        "--seeds", type=int, default=3, help="runs for each configuration (default: 3)"
    )
    parser.add_argument(
        "--methods",
        default=",".join(methods),
        help=f"comma-separated subset of {', '.join(known)} (default: {','.join(methods)})",
    )
    add_out(parser, f"{name}.csv and {name}.png")
    parser.add_argument("--workers", type=int, default=1, help="worker processes (default: 1)")


def check_flags(arguments: argparse.Namespace) -> None:
    """Raise `ConfigError` if a number is out of range."""
    check_at_least(1, seeds=arguments.seeds, workers=arguments.workers)


def run_jobs(
    table: ResultTable,
    jobs: Sequence[Job],
    run: Callable[[Job], Sequence[Row]],
    workers: int,
    console: Console,
) -> None:
    """Run jobs in worker processes and append each result as soon as it is available."""
    # More threads than cores slow every process down.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with progress_of(console) as progress:
        bar = progress.add_task(table.name, total=len(jobs))
        for rows in run_in_workers(run, jobs, workers):
            for row in rows:
                table.add(row)
            progress.advance(bar)
