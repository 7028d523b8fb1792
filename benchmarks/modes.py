"""`dbp bench modes`: which methods keep both routes of a choice, with one forward pass."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.comparison import add_flags, check_flags, run_rows
from benchmarks.decision import decision_latency_ms
from benchmarks.methods import METHODS, RUN, Method, families, in_order, select_methods
from benchmarks.two_routes import FIRST_SHARE, demonstrations, judge
from dbp_ros.cli.terminal import show, terminal
from dbp_ros.drift.fields import WIDE_TEMPERATURES
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.learning.trainer import Trainer
from dbp_ros.settings.fields import check_at_least

NAME = "modes"
COLUMNS = (
    *("method", "seed", "share_mode_1", "off_mode", "within_mode_ratio"),
    *("nfe", "parameters", "updates", "train_s", "latency_ms"),
)
# What keeps the routes as the demonstrations have them: lowest and highest of each measure.
BOUNDS = MappingProxyType(
    {
        "share_mode_1": (FIRST_SHARE - 0.05, FIRST_SHARE + 0.05),
        "off_mode": (0.0, 0.05),
        "within_mode_ratio": (0.0, 1.25),
    }
)

SHARED = replace(
    RUN,
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
    """One training, and the methods that run what was trained."""

    methods: tuple[Method, ...]
    seed: int
    updates: int

    def key(self, contender: Method) -> Row:
        """Return what tells its row apart."""
        return {"method": contender.name, "seed": self.seed, "updates": self.updates}


def modes_jobs(
    names: Sequence[Method], seeds: int, updates: int, table: ResultTable
) -> list[ModesJob]:
    """Return the runs that the table lacks; methods that train alike share one."""
    wanted = (
        ModesJob(family, seed, updates)
        for seed in range(seeds)
        for family in families(names, SHARED)
    )
    missing = (
        replace(job, methods=tuple(c for c in job.methods if not table.has(job.key(c))))
        for job in wanted
    )
    return [job for job in missing if job.methods]


def run_modes(job: ModesJob) -> list[Row]:
    """Train on the two routes once, and judge each method that runs what was learned."""
    training = job.methods[0].training(SHARED)
    trainer = Trainer(
        replace(training, seed=job.seed, num_steps=job.updates), demonstrations(job.seed)
    )
    trainer.train()
    policy, rows = trainer.average.network, []
    for contender in job.methods:
        policy.method.num_inference_steps = contender.config(SHARED).num_inference_steps
        row = {
            **job.key(contender),
            **asdict(judge(policy, job.seed)),
            "nfe": policy.method.num_inference_steps,
            "parameters": sum(value.numel() for value in policy.parameters()),
            "train_s": trainer.train_s,
            "latency_ms": decision_latency_ms(policy),
        }
        rows.append(row)
    return rows


def keeps(run: Row) -> bool:
    """Return whether a run kept the routes as the demonstrations have them."""
    return all(low <= float(run[measure]) <= high for measure, (low, high) in BOUNDS.items())


def summary(table: ResultTable) -> list[Row]:
    """Return one row a method: means over the seeds, and how many of them kept the routes."""
    rows = []
    for name in in_order(table.values("method")):
        runs = [row for row in table.rows if row["method"] == name]
        means = {
            column: float(np.mean([float(run[column]) for run in runs])) for column in COLUMNS[2:]
        }
        rows.append({"method": name, **means, "kept": sum(map(keeps, runs)), "seeds": len(runs)})
    return rows


@dataclass(frozen=True)
class Panel:
    """One measure in the picture: runs beyond the ends are drawn at them."""

    measure: str
    title: str
    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool


PANELS = (
    Panel(
        "share_mode_1",
        f"share of the first route\n(demonstrations: {FIRST_SHARE})",
        *(0.0, 1.0, (0.0, 0.25, 0.5, 0.7, 1.0), False),
    ),
    Panel(
        "off_mode",
        "share of samples on neither route\n(demonstrations: 0)",
        *(0.003, 1.0, (0.003, 0.01, 0.05, 0.2, 1.0), True),
    ),
    Panel(
        "within_mode_ratio",
        "spread about a route, over the demonstrations'\n(demonstrations: 1)",
        *(0.8, 5.0, (1.0, 1.25, 2.0, 3.0, 5.0), True),
    ),
)
NOWHERE = "no sample on a route"


def draw(table: ResultTable) -> Path:
    """Draw every run, green where it keeps both routes, and the bounds that do."""
    names = in_order(table.values("method"))
    figure = Figure(figsize=(13, 1.6 + 0.34 * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    seeds, updates = len(table.values("seed")), ", ".join(table.values("updates"))
    figure.suptitle(
        f"two routes, one demonstration for each observation: {seeds} seeds, {updates} updates "
        "of the same head; green runs keep both routes"
    )
    for index, (panel, axes) in enumerate(
        zip(PANELS, figure.subplots(1, len(PANELS), sharey=True), strict=True)
    ):
        _draw_runs(axes, panel, table, names)
        if index == 0:
            axes.set_yticks(range(len(names)), [_label(table, name) for name in names])
            axes.set_ylim(len(names) - 0.5, -0.5)
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path


def _label(table: ResultTable, name: str) -> str:
    passes = int(table.numbers("nfe", method=name)[0])
    return f"{name} ({passes} pass{'' if passes == 1 else 'es'})"


def _draw_runs(axes: Axes, panel: Panel, table: ResultTable, names: list[str]) -> None:
    low, high = BOUNDS[panel.measure]
    axes.axvspan(max(low, panel.low), min(high, panel.high), color="tab:green", alpha=0.15)
    for row in table.rows:
        place, value = names.index(row["method"]), float(row[panel.measure])
        colour = "tab:green" if keeps(row) else "tab:red"
        if np.isnan(value):
            axes.text(panel.high, place, NOWHERE, ha="right", va="center", color=colour)
        else:
            shown = min(max(value, panel.low), panel.high)
            axes.plot(shown, place, "o", color=colour, alpha=0.6, clip_on=False)
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
