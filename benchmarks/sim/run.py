"""`dbp bench sim`: success rate in the simulated cell, from states or images."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.comparison import add_flags, check_flags, run_jobs
from benchmarks.flags import add_suite
from benchmarks.methods import N_ACTION_STEPS, in_table_order, select_methods
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
from dbp_ros.evaluation.collection import collect, resolve_backend
from dbp_ros.evaluation.result_table import ResultTable, Row, standard_error
from dbp_ros.settings.flags import check_at_least
from dbp_ros.sim.tasks.registry import TASKS


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = __doc__
    add_flags(parser, NAME, METHODS)
    scope = "smoke: lift from states, minutes; standard: all tasks, about 10 hours"
    add_suite(parser, SUITES, "standard", f"{scope}; the flags below override it")
    parser.add_argument("--tasks", help=f"comma-separated subset of {', '.join(TASKS)}")
    parser.add_argument(
        "--observations", help=f"comma-separated subset of {', '.join(OBSERVATIONS)}"
    )
    parser.add_argument("--demos", type=int, help="demonstrations of each task")
    parser.add_argument("--episodes", type=int, help="episodes of each evaluation")
    parser.add_argument("--updates", type=int, help="optimizer steps of each training run")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Record and run what is missing, print the tables and save the plot."""
    check_flags(arguments)
    console = terminal()
    methods, suite = select_methods(arguments.methods), suite_of(arguments)
    table = ResultTable(arguments.out, NAME, COLUMNS, KEY)
    jobs = sim_jobs(methods, suite, arguments.seeds, table)
    backends = {job.plan.size: resolve_backend(job.plan) for job in jobs}
    table.describe(
        {
            **asdict(suite),
            "seeds": arguments.seeds,
            "executed": N_ACTION_STEPS,
            "cameras": sorted(set(backends.values())),
            "shared": asdict(SHARED),
        }
    )
    record_missing(jobs, suite.demos, arguments.workers, console)
    run_jobs(table, jobs, run_sim, arguments.workers, console)
    for group in groups(table):
        show(console, f"mean success: {title(group)}", summary(table, group))
    console.print(f"{table.path}, {plot(table)}")
    return 0


def suite_of(arguments: argparse.Namespace) -> SimSuite:
    """Return the suite with the overrides of the flags.

    Raises:
        ConfigError: If a name is unknown or a number is out of range.
    """
    suite = SUITES[arguments.suite]
    given: dict[str, Any] = {
        field: value for field in asdict(suite) if (value := getattr(arguments, field)) is not None
    }
    for field, known in (("tasks", tuple(TASKS)), ("observations", OBSERVATIONS)):
        if field in given:
            given[field] = _checked_names(field, given[field], known)
    suite = replace(suite, **given)
    check_at_least(1, demos=suite.demos, episodes=suite.episodes, updates=suite.updates)
    return suite


def _checked_names(flag: str, text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return comma-separated names, checked against `known`."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names or (text,):
        if name not in known:
            raise ConfigError(f"--{flag} '{name}': use some of {', '.join(known)}")
    return names


def record_missing(jobs: Sequence[SimJob], demos: int, workers: int, console: Console) -> None:
    """Record the missing demonstrations of the jobs."""
    plans = list(dict.fromkeys(job.plan for job in jobs))
    with progress_of(console) as progress:
        bar = progress.add_task("demonstrations", total=demos * len(plans))
        for plan in plans:
            for _ in collect(plan, demos, workers):
                progress.advance(bar)


# Columns that are equal in all runs of a mean.
GROUP = ("observation", "demos", "updates", "episodes")


def groups(table: ResultTable) -> list[Row]:
    """Return the distinct configurations in the table."""
    found = dict.fromkeys(tuple(row[column] for column in GROUP) for row in table.rows)
    return [dict(zip(GROUP, values, strict=True)) for values in found]


def title(group: Row) -> str:
    """Return the title of a configuration."""
    return "{observation}, {demos} demonstrations, {updates} updates".format(**group)


def summary(table: ResultTable, group: Row) -> list[Row]:
    """Return the mean success of each method over the seeds with the standard error."""
    rows = []
    for name in in_table_order(table.values("method")):
        where = {"method": name, **group}
        if not table.numbers("nfe", **where):
            continue
        row: Row = {"method": name}
        for task in in_task_order(table):
            scores = table.numbers("success", task=task, **where)
            error = f"±{standard_error(scores):.2f}" if len(scores) > 1 else ""
            row[task] = f"{np.mean(scores):.2f}{error}" if scores else "-"
        row["seeds"] = len({r["seed"] for r in table.rows if where.items() <= r.items()})
        row["nfe"] = int(table.numbers("nfe", **where)[0])
        row["train_s"] = float(np.mean(table.numbers("train_s", **where)))
        row["latency_ms"] = float(np.median(table.numbers("latency_ms", **where)))
        rows.append(row)
    return rows


def in_task_order(table: ResultTable) -> list[str]:
    """Return the tasks in the table, the easiest first."""
    return [task for task in TASKS if task in table.values("task")]


def plot(table: ResultTable) -> Path:
    """Plot success by task and method: mean, standard error and every seed."""
    panels = groups(table)
    figure = Figure(figsize=(6.5 * max(1, len(panels)), 4.5), layout="constrained")
    for index, group in enumerate(panels):
        _plot_group(figure.add_subplot(1, len(panels), index + 1), table, group)
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path


def _plot_group(axes: Axes, table: ResultTable, group: Row) -> None:
    names = in_table_order(table.values("method"))
    tasks = [task for task in in_task_order(table) if table.numbers("success", task=task, **group)]
    names = [name for name in names if table.numbers("success", method=name, **group)]
    width = 0.8 / len(names)
    for index, name in enumerate(names):
        runs = [table.numbers("success", task=t, method=name, **group) for t in tasks]
        positions = np.arange(len(tasks)) + (index - (len(names) - 1) / 2) * width
        means = [float(np.mean(run)) if run else np.nan for run in runs]
        errors = [standard_error(run) for run in runs]
        axes.bar(positions, means, 0.9 * width, yerr=errors, capsize=3, label=name)
        for x, run in zip(positions, runs, strict=True):
            axes.plot([x] * len(run), run, "k.", alpha=0.5, clip_on=False)
    axes.set_xticks(np.arange(len(tasks)), tasks)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel(f"success in {group['episodes']} episodes")
    axes.set_title(title(group))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=len(names), frameon=False)
