"""`dbp bench metaworld`: success rate on Meta-World tasks."""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.comparison import add_flags, check_flags, run_jobs
from benchmarks.flags import add_suite
from benchmarks.metaworld import training
from benchmarks.methods import in_table_order, select_methods
from dbp_ros.cli.terminal import show, terminal
from dbp_ros.evaluation.result_table import ResultTable, Row, standard_error


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = __doc__
    add_flags(parser, training.NAME, training.METHODS)
    add_suite(
        parser,
        training.SUITES,
        "smoke",
        "smoke: 3 tasks; standard: 8 tasks with 5, 10 and 25 demonstrations; paper: the 34 tasks "
        "of the paper with 10",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run missing jobs, print the table and save the plot."""
    check_flags(arguments)
    console = terminal()
    methods, suite = select_methods(arguments.methods), training.SUITES[arguments.suite]
    table = ResultTable(arguments.out, training.NAME, training.COLUMNS, training.KEY)
    facts = {"suite": arguments.suite, "seeds": arguments.seeds, "observations": OBSERVED}
    table.describe(facts)
    jobs = training.metaworld_jobs(methods, suite, arguments.seeds, table)
    run_jobs(table, jobs, training.run_metaworld, arguments.workers, console)
    title = f"Meta-World, suite {arguments.suite}, {OBSERVED}: mean success over tasks"
    show(console, title, summary(table))
    console.print(f"{table.path}, {plot(table)}")
    return 0


OBSERVED = "states relative to the hand (point clouds in the paper)"


def summary(table: ResultTable) -> list[Row]:
    """Return the mean success of each method by number of demonstrations, and of the expert.

    The standard error is that of the means of the seeds over all tasks, because tasks differ more
    than seeds. A seed without runs of some tasks is left out.
    """
    rows = []
    for name in in_table_order(table.values("method")):
        row: Row = {"method": name}
        for demos in demonstration_counts(table):
            means = seed_means(table, name, demos)
            row[f"{demos} demos"] = mean(means)
            row[f"+- {demos}"] = standard_error(means)
        row["nfe"] = int(table.numbers("nfe", method=name)[0])
        row["train_s"] = mean(table.numbers("train_s", method=name))
        row["latency_ms"] = float(np.median(table.numbers("latency_ms", method=name)))
        rows.append(row)
    if solved := table.numbers("success", method=training.EXPERT):
        blank = dict.fromkeys(rows[0] if rows else (), "")
        rows.append(blank | {"method": f"{training.EXPERT}, {mean(solved):.3g}"})
    return rows


def demonstration_counts(table: ResultTable) -> list[int]:
    """Return the numbers of demonstrations in ascending order."""
    return sorted(int(demos) for demos in table.values("demos") if demos != "0")


def seed_means(table: ResultTable, method: str, demos: int) -> list[float]:
    """Return the mean over tasks for each seed with all tasks."""
    where = {"method": method, "demos": demos}
    tasks = len(table.values("task"))
    seeds = [table.numbers("success", **where, seed=seed) for seed in table.values("seed")]
    return [mean(successes) for successes in seeds if len(successes) == tasks]


def mean(values: list[float]) -> float:
    """Return the mean, NaN if `values` is empty."""
    return float(np.mean(values)) if values else float("nan")


def plot(table: ResultTable) -> Path:
    """Plot success by number of demonstrations, and by task for the smallest number."""
    width = 2.0 + len(table.values("task"))
    figure = Figure(figsize=(5 + width, 6), layout="constrained")
    figure.suptitle(f"Meta-World, {OBSERVED}")
    over, tasks = figure.subplots(1, 2, width_ratios=(5, width))
    _plot_over_demonstrations(over, table)
    _plot_over_tasks(tasks, table)
    handles, labels = over.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=max(1, len(labels)))
    path = table.directory / f"{training.NAME}.png"
    figure.savefig(path, dpi=110)
    return path


def _plot_over_demonstrations(axes: Axes, table: ResultTable) -> None:
    names, demos = in_table_order(table.values("method")), demonstration_counts(table)
    for index, name in enumerate(names):
        means = [seed_means(table, name, count) for count in demos]
        axes.errorbar(
            # An offset keeps the error bars apart.
            [count * (1 + 0.015 * (index - len(names) / 2)) for count in demos],
            [mean(m) for m in means],
            [np.nan_to_num(standard_error(m)) for m in means],
            marker="o",
            capsize=3,
            label=name,
        )
    if solved := table.numbers("success", method=training.EXPERT):
        axes.axhline(mean(solved), color="black", linestyle=":", label=training.EXPERT)
    axes.set_xscale("log")
    axes.set_xticks(demos, [str(count) for count in demos])
    axes.minorticks_off()
    axes.set_xlabel("demonstrations")
    axes.set_ylabel("mean success over tasks, standard error of the seeds")


def _plot_over_tasks(axes: Axes, table: ResultTable) -> None:
    names, tasks, demos = (
        in_table_order(table.values("method")),
        table.values("task"),
        demonstration_counts(table),
    )
    fewest = demos[0] if demos else 0
    width = 0.8 / max(1, len(names))
    for index, name in enumerate(names):
        where = {"method": name, "demos": fewest}
        bars = [mean(table.numbers("success", **where, task=task)) for task in tasks]
        axes.bar(np.arange(len(tasks)) + (index + 0.5) * width, bars, width, label=name)
    for x, task in enumerate(tasks):
        if solved := table.numbers("success", method=training.EXPERT, task=task):
            axes.hlines(mean(solved), x, x + 0.8, color="black", linestyle=":")
    axes.set_xticks(np.arange(len(tasks)) + 0.4, tasks, rotation=30, ha="right")
    axes.set_ylim(0, 1.02)
    axes.set_title(f"success with {fewest} demonstrations (dotted: the expert)")
