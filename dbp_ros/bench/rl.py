"""`dbp bench rl`: what online learning makes of an imitated policy, step by step."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dbp_ros.bench import obstacle
from dbp_ros.bench.table import ResultTable, Row
from dbp_ros.learning.checkpoint import CHECKPOINT, Checkpoint, read_checkpoint, write_checkpoint
from dbp_ros.learning.online.config import FinetuneConfig
from dbp_ros.learning.online.environment import VectorEnvironment
from dbp_ros.learning.online.finetuned import finetuned
from dbp_ros.learning.online.learner import Learner, Statistics
from dbp_ros.learning.online.registry import build_learner
from dbp_ros.learning.online.rollout import Collector, judge

NAME = "rl"
COLUMNS = (
    *("method", "env", "seed", "env_steps", "wall_s", "cpu_s"),
    *("success", "return", "kl", "sigma"),
)
KEY = ("method", "env", "seed", "env_steps")

# Seeds of episodes: judged are the first ones, learned from are those after this number.
FIRST_TRAINING_SEED = 1_000_000


@dataclass(frozen=True)
class RlMethod:
    """A way to learn online, and what it begins with.

    Attributes:
        name: In tables and on the command line; an algorithm of `FinetuneConfig`.
        imitated_by: Method by which its first policy is trained.
        settings: What it changes of an arena's `FinetuneConfig`.
    """

    name: str
    imitated_by: str
    settings: Mapping[str, Any]


def _method(name: str, imitated_by: str, **settings: Any) -> RlMethod:
    return RlMethod(name, imitated_by, settings)


METHODS = MappingProxyType(
    {
        method.name: method
        for method in (
            _method("dbpo", "dbp"),
            _method("dbpo_no_anchor", "dbp"),
            # Its latent is a new one for each decision.
            _method("dbpo_authors", "dbp", latent_memory_s=1e-6),
            _method("gaussian_ppo", "bc_mse"),
        )
    }
)


@dataclass(frozen=True)
class Arena:
    """Where methods are compared.

    Attributes:
        name: Of the environment, in tables.
        open: Returns the environment, given its places and whether it is for judging.
        imitate: Returns a policy to begin with, by a method and a seed.
        config: What all methods have in common.
        updates: Of each run.
        judge_every: Updates between two judgements.
        episodes: In a judgement, side by side.
    """

    name: str
    open: Callable[[int, bool], VectorEnvironment]
    imitate: Callable[[str, int], Checkpoint]
    config: FinetuneConfig
    updates: int
    judge_every: int
    episodes: int

    @property
    def judgements(self) -> int:
        """Rows of a run."""
        return 1 + self.updates // self.judge_every


OBSTACLE = Arena(
    name="obstacle",
    open=obstacle.open_environment,
    imitate=obstacle.imitate,
    config=FinetuneConfig(
        environments=64,
        critic_widths=(64, 64),
        latent_memory_s=0.0,
        sigma=0.15,
    ),
    updates=200,
    judge_every=10,
    episodes=400,
)

SUITES = MappingProxyType({"smoke": (OBSTACLE,)})


@dataclass(frozen=True)
class RlJob:
    """One run: a method in an arena, from a seed; policies go to a folder."""

    method: RlMethod
    arena: Arena
    seed: int
    folder: Path

    def key(self) -> Row:
        """Return what its rows have in common."""
        return {"method": self.method.name, "env": self.arena.name, "seed": self.seed}


def rl_jobs(
    methods: Sequence[RlMethod], arenas: Sequence[Arena], seeds: int, table: ResultTable
) -> list[RlJob]:
    """Return the runs that the table lacks."""
    folder = table.directory / "policies"
    jobs = [
        RlJob(method, arena, seed, folder)
        for seed in range(seeds)
        for arena in arenas
        for method in methods
    ]
    return [j for j in jobs if len(table.numbers("success", **j.key())) < j.arena.judgements]


def run_rl(job: RlJob) -> list[Row]:
    """Learn, and judge on the way; learning alone is timed."""
    arena, method = job.arena, job.method
    begun = imitated(arena, method.imitated_by, job.seed, job.folder)
    config = replace(arena.config, algorithm=method.name, seed=job.seed, **method.settings)
    learner = build_learner(begun.policy(), config)
    seeds = count(FIRST_TRAINING_SEED * (job.seed + 1))
    collector = Collector(arena.open(config.environments, False), learner, seeds, job.seed)
    watch, steps = Stopwatch(), 0
    rows = [{**job.key(), "env_steps": 0, **watch.read(), **judged(arena, learner, job.seed, {})}]
    for update in range(1, arena.updates + 1):
        with watch:
            collected = collector.collect(config.decisions)
            statistics = learner.update(collected.transitions)
        steps += collected.steps
        if update % arena.judge_every == 0:
            judgement = judged(arena, learner, job.seed, statistics)
            rows.append({**job.key(), "env_steps": steps, **watch.read(), **judgement})
    name = f"{arena.name}_{method.name}_{job.seed}"
    write_checkpoint(job.folder / name, finetuned(begun, learner, {"env_steps": steps}))
    return rows


def imitated(arena: Arena, method: str, seed: int, folder: Path) -> Checkpoint:
    """Return the policy that runs of a seed begin with, trained once."""
    run = folder / f"{arena.name}_imitated_{method}_{seed}"
    if not (run / CHECKPOINT).exists():
        write_checkpoint(run, arena.imitate(method, seed))
    return read_checkpoint(run)


def judged(arena: Arena, learner: Learner, seed: int, statistics: Statistics) -> Row:
    """Return how good the policy is now, in an environment of its own."""
    judgement = judge(arena.open(arena.episodes, True), learner, range(arena.episodes), seed)
    return {
        "success": judgement.success,
        "return": judgement.episode_return,
        "kl": statistics.get("kl", 0.0),
        "sigma": statistics.get("sigma", float("nan")),
    }


class Stopwatch:
    """Adds up the time of the blocks that it is put around: by the clock, and of this process."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._wall_s = self._cpu_s = 0.0

    def __enter__(self) -> None:
        self._begun = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        wall_s, cpu_s = self._begun
        self._wall_s += time.perf_counter() - wall_s
        self._cpu_s += time.process_time() - cpu_s

    def read(self) -> Row:
        """Return both sums."""
        return {"wall_s": self._wall_s, "cpu_s": self._cpu_s}


def curves(table: ResultTable, column: str, method: str, arena: str) -> list[list[float]]:
    """Return a column of each seed's run, all of them as long as the shortest."""
    where = {"method": method, "env": arena}
    runs = [table.numbers(column, **where, seed=seed) for seed in table.values("seed")]
    runs = [run for run in runs if run]
    shortest = min(map(len, runs), default=0)
    return [run[:shortest] for run in runs]


def summary(table: ResultTable) -> list[Row]:
    """Return one row a method and environment: means over seeds, and the worst of the last half."""
    rows = []
    for arena in table.values("env"):
        for method in METHODS:
            runs = curves(table, "success", method, arena)
            if not runs:
                continue
            steps = np.array(curves(table, "env_steps", method, arena))
            success = np.array(runs)
            half = success.shape[1] // 2
            rows.append(
                {
                    "method": method,
                    "env": arena,
                    "seeds": len(runs),
                    "at the start": float(success[:, 0].mean()),
                    "half way": float(success[:, half].mean()),
                    "at the end": float(success[:, -1].mean()),
                    "lowest since half way": float(success[:, half:].min()),
                    "lowest at the end": float(success[:, -1].min()),
                    "env_steps": float(steps[:, -1].mean()),
                    "cpu_s": float(np.mean(curves(table, "cpu_s", method, arena), axis=0)[-1]),
                }
            )
    return rows


def draw(table: ResultTable) -> Path:
    """Draw success over environment steps and over time: the mean of the seeds, and their range."""
    arenas = table.values("env")
    figure = Figure(figsize=(12, 4.2 * max(1, len(arenas))), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(max(1, len(arenas)), 2, squeeze=False)
    for row, arena in zip(grid, arenas, strict=False):
        for axes, column, label in zip(
            row,
            ("env_steps", "cpu_s"),
            ("environment steps", "time of learning in [s], of one processor"),
            strict=True,
        ):
            _draw_arena(axes, table, arena, column)
            axes.set_xlabel(label)
            axes.set_title(arena)
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path


def _draw_arena(axes: Axes, table: ResultTable, arena: str, column: str) -> None:
    for method in METHODS:
        runs = curves(table, "success", method, arena)
        if not runs:
            continue
        along = np.mean(curves(table, column, method, arena), axis=0)
        (line,) = axes.plot(along, np.mean(runs, axis=0), marker=".", label=method)
        axes.fill_between(
            along, np.min(runs, axis=0), np.max(runs, axis=0), color=line.get_color(), alpha=0.15
        )
    axes.set_ylabel("success")
    axes.set_ylim(0.0, 1.02)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
