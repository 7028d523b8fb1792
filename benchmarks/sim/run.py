"""`dbp bench sim`: success in the simulated cell, of policies that see states or pictures."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.comparison import add_flags, check_flags, run_rows
from benchmarks.methods import in_order, select_methods
from benchmarks.sim.lockstep import EXECUTED
from benchmarks.sim.training import (
    COLUMNS,
    KEY,
    METHODS,
    NAME,
    OBSERVATIONS,
    SHARED,
    SUITES,
    SimJob,
    SimSuite,
    run_sim,
    sim_jobs,
)
from dbp_ros.cli.terminal import progress_of, show, terminal
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.collection import backend_of, record
from dbp_ros.evaluation.result_table import ResultTable, Row, standard_error
from dbp_ros.settings.fields import check_at_least
from dbp_ros.sim.tasks.registry import TASKS


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = __doc__
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


# What a mean may be taken over: runs that differ in nothing but the seed and the task.
GROUP = ("observation", "demos", "updates", "episodes")


def groups(table: ResultTable) -> list[Row]:
    """Return the kinds of runs that there are results of."""
    kinds = dict.fromkeys(tuple(row[column] for column in GROUP) for row in table.rows)
    return [dict(zip(GROUP, kind, strict=True)) for kind in kinds]


def title(group: Row) -> str:
    """Return a kind of runs in words."""
    return "{observation}, {demos} demonstrations, {updates} updates".format(**group)


def summary(table: ResultTable, group: Row) -> list[Row]:
    """Return the mean success of each method over the seeds, with its standard error."""
    rows = []
    for name in in_order(table.values("method")):
        where = {"method": name, **group}
        if not table.numbers("nfe", **where):
            continue
        row: Row = {"method": name}
        for task in in_task_order(table):
            wins = table.numbers("success", task=task, **where)
            error = f"±{standard_error(wins):.2f}" if len(wins) > 1 else ""
            row[task] = f"{np.mean(wins):.2f}{error}" if wins else "-"
        row["seeds"] = len({r["seed"] for r in table.rows if where.items() <= r.items()})
        row["nfe"] = int(table.numbers("nfe", **where)[0])
        row["train_s"] = float(np.mean(table.numbers("train_s", **where)))
        row["latency_ms"] = float(np.median(table.numbers("latency_ms", **where)))
        rows.append(row)
    return rows


def in_task_order(table: ResultTable) -> list[str]:
    """Return the tasks that there are results of, the easiest first."""
    return [task for task in TASKS if task in table.values("task")]


def draw(table: ResultTable) -> Path:
    """Draw success by task and method: the mean over the seeds, its error, and every seed."""
    panels = groups(table)
    figure = Figure(figsize=(6.5 * max(1, len(panels)), 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    for index, group in enumerate(panels):
        _draw_group(figure.add_subplot(1, len(panels), index + 1), table, group)
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path


def _draw_group(axes: Axes, table: ResultTable, group: Row) -> None:
    names, tasks = in_order(table.values("method")), in_task_order(table)
    width = 0.8 / len(names)
    for index, name in enumerate(names):
        runs = [table.numbers("success", task=t, method=name, **group) for t in tasks]
        places = np.arange(len(tasks)) + (index - (len(names) - 1) / 2) * width
        means = [float(np.mean(run)) if run else np.nan for run in runs]
        errors = [standard_error(run) for run in runs]
        axes.bar(places, means, 0.9 * width, yerr=errors, capsize=3, label=name)
        for place, run in zip(places, runs, strict=True):
            axes.plot([place] * len(run), run, "k.", alpha=0.5, clip_on=False)
    axes.set_xticks(np.arange(len(tasks)), tasks)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel(f"success in {group['episodes']} episodes")
    axes.set_title(title(group))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=len(names), frameon=False)
