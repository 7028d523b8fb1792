"""`dbp bench modes`: mode coverage of each method on toy tasks with several modes."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.comparison import add_flags, check_flags, run_jobs
from benchmarks.flags import select_by_name
from benchmarks.methods import (
    BASE_CONFIG,
    METHODS,
    ComparedMethod,
    evaluate_methods,
    group_by_training,
    in_table_order,
    select_methods,
)
from benchmarks.mode_toys import TOYS
from dbp_ros.cli.terminal import show, terminal
from dbp_ros.drift.fields import WIDE_TEMPERATURES
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.learning.trainer import Trainer
from dbp_ros.settings.flags import check_at_least

NAME = "modes"
COLUMNS = (
    *("toy", "method", "seed", "share_mode_1", "share_error", "off_mode", "within_mode_ratio"),
    *("nfe", "parameters", "updates", "train_s", "latency_ms"),
)
KEY = ("toy", "method", "seed", "updates")
MEASURES = COLUMNS[3:]
# Bounds of each metric for a run that covers all modes.
BOUNDS = MappingProxyType(
    {
        "share_error": (0.0, 0.05),
        "off_mode": (0.0, 0.05),
        "within_mode_ratio": (0.0, 1.25),
    }
)

SHARED = replace(
    BASE_CONFIG,
    num_steps=3_000,
    batch_size=128,
    horizon=1,
    latent_dct_modes=0,
    temperatures=(0.02, *WIDE_TEMPERATURES),
    neighbours=15,
    neighbour_bandwidth=16.0,
    width=256,
    branch_width=256,
    depth=1,
    smallest_range=2.0,
)


@dataclass(frozen=True)
class ModesJob:
    """One training run and the methods evaluated on its network."""

    toy: str
    methods: tuple[ComparedMethod, ...]
    seed: int
    updates: int

    def key(self, method: ComparedMethod) -> Row:
        """Return the key of a method's row."""
        values = (self.toy, method.name, self.seed, self.updates)
        return dict(zip(KEY, values, strict=True))


def modes_jobs(
    toys: Sequence[str],
    names: Sequence[ComparedMethod],
    seeds: int,
    updates: int,
    table: ResultTable,
) -> list[ModesJob]:
    """Return the runs missing in the table; methods with equal training share one."""
    wanted = (
        ModesJob(toy, group, seed, updates)
        for toy in toys
        for seed in range(seeds)
        for group in group_by_training(names, SHARED)
    )
    missing = (
        replace(job, methods=tuple(m for m in job.methods if not table.has(job.key(m))))
        for job in wanted
    )
    return [job for job in missing if job.methods]


def run_modes(job: ModesJob) -> list[Row]:
    """Train once on a toy task and evaluate each method."""
    toy, training = TOYS[job.toy], job.methods[0].training_config(SHARED)
    trainer = Trainer(
        replace(training, seed=job.seed, num_steps=job.updates), toy.demonstrations(job.seed)
    )
    trainer.train()

    def evaluate(method: ComparedMethod, policy: PolicyNetwork) -> Row:
        return {
            **job.key(method),
            **asdict(toy.evaluate(policy, job.seed)),
            "parameters": sum(value.numel() for value in policy.parameters()),
        }

    return evaluate_methods(trainer, job.methods, SHARED, evaluate)


def covers_modes(run: Row) -> bool:
    """Return whether a run covers all modes, that is, all metrics are within `BOUNDS`."""
    return all(low <= float(run[measure]) <= high for measure, (low, high) in BOUNDS.items())


def summary(table: ResultTable) -> list[Row]:
    """Return one row for each toy and method: means over seeds, and how many cover all modes."""
    rows = []
    for toy, name in groups_of(table):
        runs = [row for row in table.rows if (row["toy"], row["method"]) == (toy, name)]
        means = {
            column: float(np.mean([float(run[column]) for run in runs])) for column in MEASURES
        }
        counts = {"all modes": sum(map(covers_modes, runs)), "seeds": len(runs)}
        rows.append({"toy": toy, "method": name, **means, **counts})
    return rows


def groups_of(table: ResultTable) -> list[tuple[str, str]]:
    """Return the toys and methods in a table, in the order of `TOYS` and `METHODS`."""
    present = {(row["toy"], row["method"]) for row in table.rows}
    names = in_table_order(table.values("method"))
    return [(toy, name) for toy in TOYS for name in names if (toy, name) in present]


@dataclass(frozen=True)
class Panel:
    """Axes of one metric; values outside are drawn at the limits."""

    measure: str
    title: str
    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool


PANELS = (
    Panel(
        "share_error",
        "error of the share of a route\n(demonstrations: 0)",
        *(0.003, 1.0, (0.003, 0.01, 0.05, 0.2, 1.0), True),
    ),
    Panel(
        "off_mode",
        "share of samples on no route\n(demonstrations: 0)",
        *(0.003, 1.0, (0.003, 0.01, 0.05, 0.2, 1.0), True),
    ),
    Panel(
        "within_mode_ratio",
        "RMS distance to a route relative to the demonstrations\n(demonstrations: 1)",
        *(0.8, 5.0, (1.0, 1.25, 2.0, 3.0, 5.0), True),
    ),
)
NO_SAMPLE = "no sample on a route"


def plot(table: ResultTable) -> Path:
    """Plot the metrics of every run with their bounds; green runs cover all modes."""
    names = groups_of(table)
    figure = Figure(figsize=(13, 1.6 + 0.34 * len(names)), layout="constrained")
    seeds, updates = len(table.values("seed")), ", ".join(table.values("updates"))
    figure.suptitle(
        f"one demonstration per observation: {seeds} seeds, {updates} steps; "
        "green runs cover all modes"
    )
    for index, (panel, axes) in enumerate(
        zip(PANELS, figure.subplots(1, len(PANELS), sharey=True), strict=True)
    ):
        _plot_runs(axes, panel, table, names)
        if index == 0:
            axes.set_yticks(range(len(names)), [_label(table, *name) for name in names])
            axes.set_ylim(len(names) - 0.5, -0.5)
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path


def _label(table: ResultTable, toy: str, name: str) -> str:
    steps = int(table.numbers("nfe", toy=toy, method=name)[0])
    return f"{toy}: {name} ({steps} step{'' if steps == 1 else 's'})"


def _plot_runs(axes: Axes, panel: Panel, table: ResultTable, names: list[tuple[str, str]]) -> None:
    low, high = BOUNDS[panel.measure]
    axes.axvspan(max(low, panel.low), min(high, panel.high), color="tab:green", alpha=0.15)
    for row in table.rows:
        y, value = names.index((row["toy"], row["method"])), float(row[panel.measure])
        colour = "tab:green" if covers_modes(row) else "tab:red"
        if np.isnan(value):
            axes.text(panel.high, y, NO_SAMPLE, ha="right", va="center", color=colour)
        else:
            shown = min(max(value, panel.low), panel.high)
            axes.plot(shown, y, "o", color=colour, alpha=0.6, clip_on=False)
    if panel.logarithmic:
        axes.set_xscale("log")
    axes.set_xlim(panel.low, panel.high)
    axes.set_xticks(panel.ticks, [f"{tick:g}" for tick in panel.ticks])
    axes.minorticks_off()
    axes.grid(axis="y", alpha=0.3)
    axes.set_title(panel.title, fontsize="medium")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = __doc__
    add_flags(parser, NAME, tuple(METHODS))
    parser.add_argument(
        "--toys",
        default="two_routes",
        help=f"comma-separated toys: {', '.join(TOYS)} (default: %(default)s)",
    )
    parser.add_argument(
        "--updates",
        type=int,
        default=SHARED.num_steps,
        help="optimizer steps of each run (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run missing jobs, print the table and save the plot."""
    check_flags(arguments)
    check_at_least(1, updates=arguments.updates)
    console = terminal()
    methods = select_methods(arguments.methods)
    toys = [toy.name for toy in select_by_name(arguments.toys, TOYS, "toy")]
    table = ResultTable(arguments.out, NAME, COLUMNS, KEY)
    jobs = modes_jobs(toys, methods, arguments.seeds, arguments.updates, table)
    table.describe({"seeds": arguments.seeds, "updates": arguments.updates}, ("updates",))
    run_jobs(table, jobs, run_modes, arguments.workers, console)
    show(console, "several routes around an obstacle", summary(table))
    console.print(f"{table.path}, {plot(table)}")
    return 0
