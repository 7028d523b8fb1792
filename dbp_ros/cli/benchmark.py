"""What the benchmarks that compare methods share: their flags, progress, and printed table."""

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dbp_ros.bench.contenders import CONTENDERS
from dbp_ros.bench.pool import Job, run_each
from dbp_ros.bench.table import ResultTable, Row
from dbp_ros.config import check_at_least

# Columns of text, where nothing else sets a limit.
WIDEST = 500
# Three digits of a larger number would need an exponent.
LARGE = 1000.0


def add_flags(
    parser: argparse.ArgumentParser,
    name: str,
    methods: Sequence[str],
    known: Iterable[str] = tuple(CONTENDERS),
) -> None:
    """Add the flags that every comparison of methods has.

    Args:
        parser: Of the benchmark.
        name: Of the benchmark, for the default folder.
        methods: Compared by default.
        known: That can be asked for.
    """
    parser.add_argument("--seeds", type=int, default=3, help="runs of each kind (default: 3)")
    parser.add_argument(
        "--methods",
        default=",".join(methods),
        help=f"some of {', '.join(known)}, with commas (default: {','.join(methods)})",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/bench"),
        help=f"folder of {name}.csv and {name}.png; runs that are there are not run again "
        "(default: build/bench)",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")


def check_flags(arguments: argparse.Namespace) -> None:
    """Raise `ConfigError` where a number makes no sense."""
    check_at_least(1, seeds=arguments.seeds, workers=arguments.workers)


def progress_of(console: Console) -> Progress:
    """Return how far something is, to be shown while it runs."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    return Progress(*columns, TimeElapsedColumn(), console=console)


def run_rows(
    table: ResultTable,
    jobs: Sequence[Job],
    run: Callable[[Job], Sequence[Row]],
    workers: int,
    console: Console,
) -> None:
    """Run what is missing, keeping each result as it comes."""
    # Threads of several processes on one core wait for one another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with progress_of(console) as progress:
        bar = progress.add_task(table.name, total=len(jobs))
        for rows in run_each(run, jobs, workers):
            for row in rows:
                table.add(row)
            progress.advance(bar)


def show(console: Console, title: str, rows: Sequence[Row]) -> None:
    """Print rows as a table, of which a terminal that is too narrow breaks the cells.

    What does not go to a terminal is as wide as it has to be.
    """
    view = Table(title=title)
    for column in rows[0] if rows else ():
        side: JustifyMethod = "left" if column == "method" else "right"
        view.add_column(column, justify=side, overflow="fold")
    for row in rows:
        view.add_row(*(_shown(value) for value in row.values()))
    if not console.is_terminal:
        wide = console.options.update(max_width=WIDEST)
        console.width = max(console.width, console.measure(view, options=wide).maximum)
    console.print(view)


def _shown(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= LARGE else f"{value:.3g}"
