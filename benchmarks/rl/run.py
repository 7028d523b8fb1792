"""`dbp bench rl`: success of online learning from an initial policy.

Evaluation runs without exploration on separate episodes. Runs in the table are not repeated; their
initial and final policies are saved in `policies/`.
"""

import argparse
import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.comparison import add_flags, check_flags, run_jobs
from benchmarks.flags import add_suite, select_by_name
from benchmarks.rl.envs import SUITES, select_envs
from benchmarks.rl.training import COLUMNS, KEY, METHODS, NAME, rl_jobs, run_rl
from dbp_ros.cli.terminal import show, terminal
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.types import Array


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = __doc__
    add_flags(parser, NAME, tuple(METHODS), METHODS)
    scope = (f"{n}: {', '.join(a.name for a in envs)}" for n, envs in SUITES.items())
    add_suite(parser, SUITES, "smoke", "; ".join(scope))
    parser.add_argument(
        "--envs", default="", help="comma-separated environments of the suite (default: all)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run missing jobs, print the tables and save the plot."""
    check_flags(arguments)
    console = terminal()
    methods = select_by_name(arguments.methods, METHODS, "method")
    table = ResultTable(arguments.out, NAME, COLUMNS, KEY)
    table.describe({"suite": arguments.suite, "seeds": arguments.seeds})
    jobs = rl_jobs(methods, select_envs(arguments.suite, arguments.envs), arguments.seeds, table)
    run_jobs(table, jobs, run_rl, arguments.workers, console)
    show(
        console,
        "online learning: success, or the return without a success criterion",
        summary(table),
    )
    show(console, "online learning: mean success over Meta-World tasks", gains(table))
    console.print(f"{table.path}, {plot(table)}")
    return 0


# A task counts as solved once success stays at or above this.
SOLVED = 0.95
AXES = {"env_steps": "environment steps", "cpu_s": "CPU time of learning [s]"}


def curves(table: ResultTable, column: str, method: str, env: str) -> Array:
    """Return a column by seed, cut to the shortest run. Shape (seeds, rows)."""
    where = {"method": method, "env": env}
    runs = [table.numbers(column, **where, seed=seed) for seed in table.values("seed")]
    runs = [run for run in runs if run]
    shortest = min(map(len, runs), default=0)
    return np.array([run[:shortest] for run in runs])


def metric(table: ResultTable, env: str) -> str:
    """Return `success`, or `return` for an environment without successes."""
    return "success" if max(table.numbers("success", env=env)) > 0 else "return"


def summary(table: ResultTable) -> list[Row]:
    """Return one row for each method and environment: means over seeds and the worst seed.

    `solved after` is the number of steps after which no evaluation is below `SOLVED`, for the
    slowest seed. `stable for` is the remaining length of the run relative to that.
    """
    rows = []
    for env in table.values("env"):
        column = metric(table, env)
        for method in METHODS:
            found = curves(table, column, method, env)
            if not len(found):
                continue
            steps = curves(table, "env_steps", method, env)
            half = found.shape[1] // 2
            firsts = [first_solved(run) for run in found] if column == "success" else [None]
            solved = [first for first in firsts if first is not None]
            all_solved = len(solved) == len(found)
            last = found.shape[1] - 1
            rows.append(
                {
                    "method": method,
                    "env": env,
                    "metric": column,
                    "seeds": len(found),
                    "at the start": float(found[:, 0].mean()),
                    "highest start": float(found[:, 0].max()),
                    "at the end": float(found[:, -1].mean()),
                    "lowest in the second half": float(found[:, half:].min()),
                    "lowest at the end": float(found[:, -1].min()),
                    "solved after": int(steps[:, max(solved)].max()) if all_solved else "",
                    "stable for": stable_for(max(solved), last) if all_solved else "",
                    "env_steps": float(steps[:, -1].mean()),
                    "cpu_s": float(curves(table, "cpu_s", method, env)[:, -1].mean()),
                }
            )
    return rows


def first_solved(run: Array) -> int | None:
    """Return the first evaluation after which a run stays at or above `SOLVED`, None if none."""
    below = np.flatnonzero(run < SOLVED)
    first = int(below[-1]) + 1 if len(below) else 0
    return first if first < len(run) else None


def stable_for(first: int, last: int) -> float:
    """Return the number of evaluations after `first` relative to `first`."""
    return (last - first) / first if first else math.inf


def gains(table: ResultTable) -> list[Row]:
    """Return the gain in mean success over Meta-World tasks, for seeds with all tasks."""
    rows = []
    for demos, envs in by_demonstrations(table).items():
        for method in METHODS:
            means = task_means(table, method, envs)
            if not len(means):
                continue
            rows.append(
                {
                    "method": method,
                    "demonstrations": demos,
                    "tasks": len(envs),
                    "seeds": len(means),
                    "at the start": float(means[:, 0].mean()),
                    "at the end": float(means[:, -1].mean()),
                    "gain": float((means[:, -1] - means[:, 0]).mean()),
                    "lowest gain": float((means[:, -1] - means[:, 0]).min()),
                }
            )
    return rows


def by_demonstrations(table: ResultTable) -> dict[int, list[str]]:
    """Return the Meta-World environments by number of demonstrations."""
    found: dict[int, list[str]] = {}
    for env in table.values("env"):
        _, _, count = env.rpartition("_")
        if count.isdecimal():
            found.setdefault(int(count), []).append(env)
    return dict(sorted(found.items()))


def task_means(table: ResultTable, method: str, envs: list[str]) -> Array:
    """Return mean success over tasks for each seed with all tasks. Shape (seeds, evaluations)."""
    means = []
    for seed in table.values("seed"):
        runs = [table.numbers("success", method=method, env=a, seed=seed) for a in envs]
        shortest = min(map(len, runs), default=0)
        if shortest:
            means.append(np.mean([run[:shortest] for run in runs], axis=0))
    shortest = min(map(len, means), default=0)
    return np.array([run[:shortest] for run in means])


def plot(table: ResultTable) -> Path:
    """Plot the metric over steps and CPU time: mean and range of the seeds."""
    envs = table.values("env")
    figure = Figure(figsize=(11, 1.0 + 2.7 * max(1, len(envs))), layout="constrained")
    grid = figure.subplots(max(1, len(envs)), len(AXES), squeeze=False)
    for row, env in zip(grid, envs, strict=False):
        for axes, (column, label) in zip(row, AXES.items(), strict=True):
            _plot_env(axes, table, env, column)
            axes.set_xlabel(label)
            axes.set_title(plot_title(env))
    figure.suptitle("Online learning: mean and range of the seeds")
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=100)
    return path


def plot_title(env: str) -> str:
    """Return the title of an environment."""
    task, _, count = env.rpartition("_")
    if not count.isdecimal():
        return env
    return f"{task}, from {count} demonstration{'s' if count != '1' else ''}"


def _plot_env(axes: Axes, table: ResultTable, env: str, column: str) -> None:
    name = metric(table, env)
    for index, method in enumerate(METHODS):
        runs = curves(table, name, method, env)
        if not len(runs):
            continue
        xs, color = curves(table, column, method, env).mean(0), f"C{index}"
        seeds = f"{len(runs)} seed{'s' if len(runs) > 1 else ''}"
        axes.plot(xs, runs.mean(0), marker=".", color=color, label=f"{method}, {seeds}")
        axes.fill_between(xs, runs.min(0), runs.max(0), color=color, alpha=0.15, linewidth=0)
    axes.set_ylabel(name)
    if name == "success":
        axes.set_ylim(0.0, 1.02)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize="small")
