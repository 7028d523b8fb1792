"""`dbp bench modes`: which methods keep both routes of a choice, with one forward pass."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dbp_ros.bench.contenders import RUN, Contender, in_order
from dbp_ros.bench.stopwatch import decision_latency_ms
from dbp_ros.bench.table import ResultTable, Row
from dbp_ros.bench.two_routes import FIRST_SHARE, demonstrations, judge
from dbp_ros.learning.trainer import Trainer

NAME = "modes"
COLUMNS = (
    *("method", "seed", "share_mode_1", "off_mode", "within_mode_ratio"),
    *("nfe", "parameters", "updates", "train_s", "latency_ms"),
)
LARGEST_SHARE_ERROR, LARGEST_OFF_MODE, LARGEST_RATIO = 0.05, 0.05, 1.25

SHARED = replace(
    RUN,
    updates=3_000,
    batch=128,
    horizon=1,
    latent_waves=0,
    neighbours=7,
    neighbour_bandwidth=8.0,
    width=256,
    branch_width=256,
    depth=1,
    smallest_range=2.0,
)


@dataclass(frozen=True)
class ModesJob:
    """One run: a method, a seed, and how long it is trained."""

    contender: Contender
    seed: int
    updates: int


def modes_jobs(
    names: list[Contender], seeds: int, updates: int, table: ResultTable
) -> list[ModesJob]:
    """Return the runs that the table lacks."""
    wanted = [ModesJob(c, seed, updates) for seed in range(seeds) for c in names]
    return [job for job in wanted if not table.has({"method": job.contender.name, **_key(job)})]


def _key(job: ModesJob) -> Row:
    return {"seed": job.seed, "updates": job.updates}


def run_modes(job: ModesJob) -> list[Row]:
    """Train one method on the two routes and judge it."""
    config = replace(job.contender.config(SHARED), seed=job.seed, updates=job.updates)
    trainer = Trainer(config, demonstrations(job.seed))
    trainer.train()
    policy = trainer.average.network
    row = {
        "method": job.contender.name,
        **_key(job),
        **asdict(judge(policy, job.seed)),
        "nfe": policy.method.evaluations,
        "parameters": sum(value.numel() for value in policy.parameters()),
        "train_s": trainer.train_s,
        "latency_ms": decision_latency_ms(policy),
    }
    return [row]


def passes(share: float, off_mode: float, ratio: float) -> bool:
    """Return whether a run kept the routes as the demonstrations have them."""
    return (
        abs(share - FIRST_SHARE) <= LARGEST_SHARE_ERROR
        and off_mode <= LARGEST_OFF_MODE
        and ratio <= LARGEST_RATIO
    )


def summary(table: ResultTable) -> list[Row]:
    """Return one row a method: means over the seeds, and how many of them kept the routes."""
    rows = []
    for name in in_order(table.values("method")):
        judged = [
            table.numbers(column, method=name)
            for column in ("share_mode_1", "off_mode", "within_mode_ratio")
        ]
        rows.append(
            {
                "method": name,
                **{
                    column: float(np.mean(table.numbers(column, method=name)))
                    for column in COLUMNS[2:]
                },
                "kept": sum(passes(*run) for run in zip(*judged, strict=True)),
                "seeds": len(judged[0]),
            }
        )
    return rows


def draw(table: ResultTable) -> Path:
    """Draw every run and the bounds that keep both routes."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    FigureCanvasAgg(figure)
    names = in_order(table.values("method"))
    panels = (
        ("share_mode_1", "share of the first route", FIRST_SHARE - LARGEST_SHARE_ERROR,
         FIRST_SHARE + LARGEST_SHARE_ERROR),
        ("off_mode", "samples on neither route", 0.0, LARGEST_OFF_MODE),
        ("within_mode_ratio", "spread on a route, of the data's", 0.0, LARGEST_RATIO),
    )  # fmt: skip
    for index, (column, title, low, high) in enumerate(panels):
        axes = figure.add_subplot(1, 3, index + 1)
        axes.axvspan(low, high, color="tab:green", alpha=0.2)
        for place, name in enumerate(names):
            values = table.numbers(column, method=name)
            axes.plot(values, [place] * len(values), "o", color="tab:blue", alpha=0.6)
        axes.set_yticks(range(len(names)), names if index == 0 else [""] * len(names))
        axes.invert_yaxis()
        axes.set_title(title)
        axes.set_xlim(left=0.0)
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path
