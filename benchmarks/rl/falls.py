"""`dbp bench falls`: how much success falls during online learning, and why.

The policy of `dbp demo-learn` learns in one simulated cell, in lockstep. Each variant changes some
of its settings. The initial policy is saved in `policies/`.
"""

import argparse
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.comparison import run_jobs
from benchmarks.flags import add_out, select_by_name
from benchmarks.rl.envs import REACH
from dbp_ros.cli.terminal import show, terminal
from dbp_ros.evaluation.learning_report import WINDOW
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.evaluation.success_curve import fall_p_value, largest_fall, moving_success
from dbp_ros.evaluation.weak_policy import DECISIONS_PER_UPDATE
from dbp_ros.rl.collector import Collector
from dbp_ros.rl.learner import Learner
from dbp_ros.rl.online_training import FIRST_EVALUATION_SEED, SEEDS_PER_RUN
from dbp_ros.rl.registry import build_learner
from dbp_ros.rl.rollout import evaluate_learner
from dbp_ros.settings.flags import check_at_least

NAME = "falls"
KEY = ("variant", "seed", "episodes")
MEASURES = ("first_50", "last_50", "largest_fall", "p_value", "evaluated", "kl", "versions")
COLUMNS = (*KEY, *MEASURES, "curve")
EPISODES = 900
EVALUATED = 100
# Points of the moving success in the table, for the plot.
CURVE_STEP = 10

CHANGES: Mapping[str, Mapping[str, Any]] = {
    "no earlier decisions": {"reuse_updates": 0, "minibatch_size": 50},
    "small minibatches": {"minibatch_size": 50},
    "large updates": {"target_kl": 0.5},
    "more exploration": {"init_noise_std": 0.25, "min_noise_std": 0.05},
    "latent not annealed": {"latent_anneal_versions": 0},
    "shorter returns": {"gamma": 0.8, "gae_lambda": 0.5},
}
VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"demo-learn": {}, **CHANGES, "all of these": dict(ChainMap(*map(dict, CHANGES.values())))}
)


@dataclass(frozen=True)
class FallsJob:
    """One run; initial policies go to `folder`."""

    variant: str
    seed: int
    episodes: int
    folder: Path

    def key(self) -> Row:
        """Return the key of the row."""
        return {"variant": self.variant, "seed": self.seed, "episodes": self.episodes}


def run_falls(job: FallsJob) -> list[Row]:
    """Learn for a number of episodes, then evaluate without exploration on other scenes."""
    config = replace(
        REACH.config,
        num_envs=1,
        decisions_per_env=DECISIONS_PER_UPDATE,
        seed=job.seed,
        **VARIANTS[job.variant],
    )
    learner = build_learner(REACH.imitate("dbp", 0, job.folder).policy(), config)
    solved, divergences = learn(learner, job.episodes)
    seeds = range(FIRST_EVALUATION_SEED, FIRST_EVALUATION_SEED + EVALUATED)
    evaluation = evaluate_learner(REACH.open(EVALUATED, True), learner, seeds, job.seed)
    curve = moving_success(solved, WINDOW)[::CURVE_STEP]
    return [
        {
            **job.key(),
            "first_50": float(np.mean(solved[:WINDOW])),
            "last_50": float(np.mean(solved[-WINDOW:])),
            "largest_fall": largest_fall(solved, WINDOW),
            "p_value": fall_p_value(solved, WINDOW),
            "evaluated": evaluation.success,
            "kl": float(np.mean(divergences)),
            "versions": learner.version,
            "curve": " ".join(f"{value:.2f}" for value in curve),
        }
    ]


def learn(learner: Learner, episodes: int) -> tuple[list[bool], list[float]]:
    """Return the success of each episode, and the KL divergence of each update."""
    seed, config = learner.config.seed, learner.config
    env = REACH.open(config.num_envs, False)
    collector = Collector(env, learner, count(seed * SEEDS_PER_RUN), seed)
    solved: list[bool] = []
    divergences: list[float] = []
    while len(solved) < episodes:
        collected = collector.collect(config.decisions_per_env)
        divergences.append(learner.update(collected.transitions)["kl"])
        solved += collected.successes
    return solved[:episodes], divergences


def falls_jobs(
    variants: Sequence[str], seeds: int, episodes: int, table: ResultTable
) -> list[FallsJob]:
    """Return the runs missing in the table."""
    folder = table.directory / "policies"
    jobs = [FallsJob(name, seed, episodes, folder) for seed in range(seeds) for name in variants]
    return [job for job in jobs if not table.has(job.key())]


def summary(table: ResultTable) -> Iterator[Row]:
    """Yield one row for each variant: means over the seeds, and the worst seed."""
    for name in VARIANTS:
        runs = [row for row in table.rows if row["variant"] == name]
        if not runs:
            continue
        columns = {key: np.array([float(row[key]) for row in runs]) for key in MEASURES}
        yield {
            "variant": name,
            "seeds": len(runs),
            "first 50 episodes": float(columns["first_50"].mean()),
            "last 50 episodes": float(columns["last_50"].mean()),
            "largest fall": float(columns["largest_fall"].max()),
            "smallest p-value": float(columns["p_value"].min()),
            "without exploration": float(columns["evaluated"].mean()),
        }


def plot(table: ResultTable) -> Path:
    """Plot the success of every run over its episodes, one panel for each variant."""
    names = [name for name in VARIANTS if name in table.values("variant")]
    figure = Figure(figsize=(14, 6), layout="constrained")
    panels = figure.subplots(2, 4, sharex=True, sharey=True).flat
    for axes, name in zip(panels, names, strict=False):
        for row in table.rows:
            if row["variant"] != name:
                continue
            curve = [float(value) for value in str(row["curve"]).split()]
            episodes = WINDOW + CURVE_STEP * np.arange(len(curve))
            axes.plot(episodes, curve, label=f"seed {row['seed']}")
        axes.set(title=name, ylim=(0, 1.02))
        axes.grid(alpha=0.3)
    figure.supxlabel("episodes")
    figure.supylabel(f"success in {WINDOW} episodes, with exploration")
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=100)
    return path


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = __doc__
    parser.add_argument("--seeds", type=int, default=3, help="runs of each variant (default: 3)")
    parser.add_argument(
        "--variants",
        default=",".join(VARIANTS),
        help=f"some of {', '.join(VARIANTS)} (default: all)",
    )
    parser.add_argument(
        "--episodes", type=int, default=EPISODES, help=f"of each run (default: {EPISODES})"
    )
    parser.add_argument("--workers", type=int, default=1, help="worker processes (default: 1)")
    add_out(parser, f"{NAME}.csv and {NAME}.png")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run missing jobs, print the table and save the plot."""
    check_at_least(1, seeds=arguments.seeds, episodes=arguments.episodes, workers=arguments.workers)
    console = terminal()
    known = {name: name for name in VARIANTS}
    variants = select_by_name(arguments.variants, known, "variant")
    table = ResultTable(arguments.out, NAME, COLUMNS, KEY)
    table.describe({"seeds": arguments.seeds, "episodes": arguments.episodes}, ("episodes",))
    jobs = falls_jobs(variants, arguments.seeds, arguments.episodes, table)
    run_jobs(table, jobs, run_falls, arguments.workers, console)
    show(console, "success during online learning", list(summary(table)))
    console.print(f"{table.path}, {plot(table)}")
    return 0
