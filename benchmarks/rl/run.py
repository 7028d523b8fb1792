"""`dbp bench rl`: what online learning makes of an imitated policy, step by step.

Judged are policies without exploration, in episodes that are not learned from. Runs that are in
the table are not made again; the policies that they begin and end with are kept beside it.
"""

import argparse
import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.comparison import add_flags, check_flags, run_jobs
from benchmarks.methods import select_by_name
from benchmarks.rl.envs import SUITES, select_envs
from benchmarks.rl.training import COLUMNS, KEY, METHODS, NAME, rl_jobs, run_rl
from dbp_ros.cli.terminal import show, terminal
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.types import Array


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = __doc__
    add_flags(parser, NAME, tuple(METHODS), METHODS)
    parser.add_argument(
        "--suite",
        choices=tuple(SUITES),
        default="smoke",
        help="; ".join(f"{n}: {', '.join(a.name for a in envs)}" for n, envs in SUITES.items()),
    )
    parser.add_argument(
        "--envs", default="", help="some of the suite's environments, with commas (default: all)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run what is missing, then print and draw."""
    check_flags(arguments)
    console = terminal()
    methods = select_by_name(arguments.methods, METHODS)
    table = ResultTable(arguments.out, NAME, COLUMNS, KEY)
    table.describe({"suite": arguments.suite, "seeds": arguments.seeds})
    jobs = rl_jobs(methods, select_envs(arguments.suite, arguments.envs), arguments.seeds, table)
    run_jobs(table, jobs, run_rl, arguments.workers, console)
    show(console, "online learning: success, or the return where there is none", summary(table))
    show(console, "online learning: mean success over Meta-World's tasks", gains(table))
    console.print(f"{table.path}, {draw(table)}")
    return 0


# A task counts as solved from the judgement on after which success is never lower.
SOLVED = 0.95
AXES = {"env_steps": "environment steps", "cpu_s": "time of learning in [s], of one processor"}


def curves(table: ResultTable, column: str, method: str, env: str) -> Array:
    """Return a column of each seed's run, all of them as long as the shortest: (seeds, rows)."""
    where = {"method": method, "env": env}
    runs = [table.numbers(column, **where, seed=seed) for seed in table.values("seed")]
    runs = [run for run in runs if run]
    shortest = min(map(len, runs), default=0)
    return np.array([run[:shortest] for run in runs])


def measure(table: ResultTable, env: str) -> str:
    """Return what is looked at: success, or the return where there is nothing to solve."""
    return "success" if max(table.numbers("success", env=env)) > 0 else "return"


def summary(table: ResultTable) -> list[Row]:
    """Return one row a method and environment: means over seeds, and the worst of them.

    `solved after` are the steps from which on no judgement was below `SOLVED`, in the slowest
    seed, and `held` for how many times as many iterations that was watched, in the worst seed.
    """
    rows = []
    for env in table.values("env"):
        column = measure(table, env)
        for method in METHODS:
            found = curves(table, column, method, env)
            if not len(found):
                continue
            steps = curves(table, "env_steps", method, env)
            half = found.shape[1] // 2
            settled = [settling(run) for run in found] if column == "success" else [None]
            solved = [where for where in settled if where is not None]
            everywhere = len(solved) == len(found)
            last = found.shape[1] - 1
            rows.append(
                {
                    "method": method,
                    "env": env,
                    "measure": column,
                    "seeds": len(found),
                    "at the start": float(found[:, 0].mean()),
                    "highest start": float(found[:, 0].max()),
                    "at the end": float(found[:, -1].mean()),
                    "lowest since half way": float(found[:, half:].min()),
                    "lowest at the end": float(found[:, -1].min()),
                    "solved after": int(steps[:, max(solved)].max()) if everywhere else "",
                    "held": held(max(solved), last) if everywhere else "",
                    "env_steps": float(steps[:, -1].mean()),
                    "cpu_s": float(curves(table, "cpu_s", method, env)[:, -1].mean()),
                }
            )
    return rows


def settling(run: Array) -> int | None:
    """Return the first judgement of a run from which on it was never below `SOLVED`."""
    below = np.flatnonzero(run < SOLVED)
    first = int(below[-1]) + 1 if len(below) else 0
    return first if first < len(run) else None


def held(first: int, last: int) -> float:
    """Return how many times as long as it took to come to `first` it was watched after that."""
    return (last - first) / first if first else math.inf


def gains(table: ResultTable) -> list[Row]:
    """Return for Meta-World what a method's mean over tasks rose by; seeds lacking tasks are out.

    The gain of the last judgement, and of the lowest seed.
    """
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
    """Return the tasks of Meta-World by the number of demonstrations that runs begin with."""
    found: dict[int, list[str]] = {}
    for env in table.values("env"):
        _, _, count = env.rpartition("_")
        if count.isdecimal():
            found.setdefault(int(count), []).append(env)
    return dict(sorted(found.items()))


def task_means(table: ResultTable, method: str, envs: list[str]) -> Array:
    """Return success over judgements, the mean of all tasks, for each seed that has them."""
    means = []
    for seed in table.values("seed"):
        runs = [table.numbers("success", method=method, env=a, seed=seed) for a in envs]
        shortest = min(map(len, runs), default=0)
        if shortest:
            means.append(np.mean([run[:shortest] for run in runs], axis=0))
    shortest = min(map(len, means), default=0)
    return np.array([run[:shortest] for run in means])


def draw(table: ResultTable) -> Path:
    """Draw the measure over steps and over time: the mean of the seeds, and their range."""
    envs = table.values("env")
    figure = Figure(figsize=(11, 1.0 + 2.7 * max(1, len(envs))), layout="constrained")
    grid = figure.subplots(max(1, len(envs)), len(AXES), squeeze=False)
    for row, env in zip(grid, envs, strict=False):
        for axes, (column, label) in zip(row, AXES.items(), strict=True):
            _draw_arena(axes, table, env, column)
            axes.set_xlabel(label)
            axes.set_title(titled(env))
    figure.suptitle("Online learning from imitated policies: mean and range of the seeds")
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=100)
    return path


def titled(env: str) -> str:
    """Return the name of an env as one would say it."""
    task, _, count = env.rpartition("_")
    if not count.isdecimal():
        return env
    return f"{task}, from {count} demonstration{'s' if count != '1' else ''}"


def _draw_arena(axes: Axes, table: ResultTable, env: str, column: str) -> None:
    looked_at = measure(table, env)
    for index, method in enumerate(METHODS):
        runs = curves(table, looked_at, method, env)
        if not len(runs):
            continue
        along, color = curves(table, column, method, env).mean(0), f"C{index}"
        seeds = f"{len(runs)} seed{'s' if len(runs) > 1 else ''}"
        axes.plot(along, runs.mean(0), marker=".", color=color, label=f"{method}, {seeds}")
        axes.fill_between(along, runs.min(0), runs.max(0), color=color, alpha=0.15, linewidth=0)
    axes.set_ylabel(looked_at)
    if looked_at == "success":
        axes.set_ylim(0.0, 1.02)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize="small")
