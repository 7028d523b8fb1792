"""`dbp bench metaworld`: success over Meta-World's tasks, its own experts and success test.

Observations are states; the paper's are point clouds. Goals of the demonstrations and of the
evaluation differ.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dbp_ros.bench.contenders import RUN, Contender, in_order
from dbp_ros.bench.stopwatch import decision_latency_ms
from dbp_ros.bench.table import ResultTable, Row
from dbp_ros.contract import Floats, seconds_to_ns
from dbp_ros.episodes.episode import Episode, episode_path, read_episodes, write_episode
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import Demonstrations, join_episodes
from dbp_ros.learning.policy import Policy
from dbp_ros.learning.trainer import Trainer
from dbp_ros.sim.metaworld import (
    ACTION_NAMES,
    DEMONSTRATION_GOALS,
    EVALUATION_GOALS,
    PAPER_TASKS,
    SMOKE_TASKS,
    STANDARD_TASKS,
    STATE_NAMES,
    STEP_S,
    MetaworldTask,
)

NAME = "metaworld"
COLUMNS = (
    *("method", "task", "demos", "seed", "success", "episodes"),
    *("nfe", "train_s", "latency_ms"),
)
KEY = ("method", "task", "demos", "seed")
METHODS = ("dbp", "dbp_authors", "bc_mse", "ddim_100", "ddim_10", "flow_1", "meanflow")

SHARED = replace(
    RUN,
    updates=2_000,
    batch=64,
    horizon=4,
    latent_waves=1,
    width=256,
    branch_width=128,
    depth=2,
    keep_still=True,
)
EXECUTED = 4


@dataclass(frozen=True)
class Suite:
    """Which tasks, and with how many demonstrations."""

    tasks: tuple[str, ...]
    demos: tuple[int, ...]


SUITES = MappingProxyType(
    {
        "smoke": Suite(SMOKE_TASKS, (5, 25)),
        "standard": Suite(STANDARD_TASKS, (5, 10, 25)),
        "paper": Suite(PAPER_TASKS, (10,)),
    }
)


@dataclass(frozen=True)
class MetaworldJob:
    """One training, and the methods that run what was trained."""

    contenders: tuple[Contender, ...]
    task: str
    demos: int
    seed: int
    data: Path

    def key(self, contender: Contender) -> Row:
        """Return what tells its row apart."""
        return {
            "method": contender.name,
            "task": self.task,
            "demos": self.demos,
            "seed": self.seed,
        }


def metaworld_jobs(
    names: Sequence[Contender], suite: Suite, seeds: int, table: ResultTable
) -> list[MetaworldJob]:
    """Return the runs that the table lacks; methods that train alike share one."""
    families: dict[TrainConfig, list[Contender]] = {}
    for contender in names:
        families.setdefault(contender.training(SHARED), []).append(contender)
    data = table.directory / "demonstrations"
    jobs = [
        MetaworldJob(tuple(family), task, demos, seed, data)
        for seed in range(seeds)
        for demos in suite.demos
        for task in suite.tasks
        for family in families.values()
    ]
    missing = [
        replace(job, contenders=tuple(c for c in job.contenders if not table.has(job.key(c))))
        for job in jobs
    ]
    return [job for job in missing if job.contenders]


def run_metaworld(job: MetaworldJob) -> list[Row]:
    """Train once and evaluate each method that runs it."""
    task = MetaworldTask(job.task, job.seed)
    config = replace(job.contenders[0].training(SHARED), seed=job.seed)
    trainer = Trainer(config, record(task, job.seed, job.demos, job.data))
    trainer.train()
    policy, rows = trainer.average.network, []
    for contender in job.contenders:
        policy.method.evaluations = contender.config(SHARED).evaluations
        player = ChunkPlayer(policy, len(EVALUATION_GOALS), job.seed)
        rollout = task.rollout(player.act, EVALUATION_GOALS)
        row = {
            **job.key(contender),
            "success": float(rollout.successes.mean()),
            "episodes": len(rollout.successes),
            "nfe": policy.method.evaluations,
            "train_s": trainer.train_s,
            "latency_ms": decision_latency_ms(policy),
        }
        rows.append(row)
    return rows


def record(task: MetaworldTask, seed: int, count: int, directory: Path) -> Demonstrations:
    """Return demonstrations of the first goals that the expert solves, recorded once."""
    folder = directory / f"{task.name}_{seed}"
    if not folder.exists():
        _record_all(task, seed, folder)
    episodes = islice(read_episodes(folder), count)
    return join_episodes(
        (episode, f"{task.name} {index}") for index, episode in enumerate(episodes)
    )


def _record_all(task: MetaworldTask, seed: int, folder: Path) -> None:
    """Record every goal; several workers may do so at once and the first one wins."""
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    for goal in DEMONSTRATION_GOALS:
        shown = task.demonstrate(goal)
        if shown is None:
            continue
        steps = len(shown.states)
        episode = Episode(
            task=task.name,
            seed=seed,
            mode="expert",
            outcome="success",
            termination_reason="success",
            state_names=STATE_NAMES,
            action_names=ACTION_NAMES,
            step_s=STEP_S,
            states=shown.states,
            actions=shown.actions,
            rewards=np.zeros(steps, np.float32),
            stamps_ns=np.arange(steps) * seconds_to_ns(STEP_S),
        )
        write_episode(episode_path(aside, goal), episode)
    try:
        aside.rename(folder)
    except OSError:
        if not folder.exists():
            raise


class ChunkPlayer:
    """Plays a policy's chunks in several episodes at once: decides, executes, decides again."""

    def __init__(self, policy: Policy, episodes: int, seed: int) -> None:
        """Start `episodes` episodes."""
        self._policy = policy
        self._chance = torch.Generator().manual_seed(seed)
        self._past: Floats | None = None
        self._chunks = np.zeros((episodes, *policy.chunk_shape), np.float32)
        self._step = 0

    def act(self, states: Floats, live: NDArray[np.int64]) -> Floats:
        """Return the next action of each live episode.

        Args:
            states: Shape (n, ns).
            live: Which episodes they belong to; all of them at the first call. Shape (n,).
        """
        if self._past is None:
            self._past = np.repeat(states[:, None], self._policy.history, axis=1)
        self._past[live] = np.concatenate([self._past[live, 1:], states[:, None]], axis=1)
        if self._step % EXECUTED == 0:
            self._decide(live)
        actions: Floats = self._chunks[live, self._step % EXECUTED]
        self._step += 1
        return actions

    @torch.no_grad()
    def _decide(self, live: NDArray[np.int64]) -> None:
        assert self._past is not None
        shape = (len(self._chunks), 1, *self._policy.chunk_shape)
        latent = torch.randn(shape, generator=self._chance)[live]
        chunks = self._policy.act(torch.from_numpy(self._past[live]), {}, latent)
        self._chunks[live] = chunks[:, 0].numpy()


def summary(table: ResultTable) -> list[Row]:
    """Return the mean success of each method at each number of demonstrations.

    The standard error is over the runs: tasks differ more than seeds do, so it is that of the
    seeds' means.
    """
    rows = []
    for name in in_order(table.values("method")):
        row: Row = {"method": name}
        for demos in sorted(table.values("demos"), key=int):
            means = seed_means(table, name, demos)
            row[f"{demos} demos"] = float(np.mean(means)) if means else float("nan")
            row[f"+- {demos}"] = standard_error(means)
        row["nfe"] = int(table.numbers("nfe", method=name)[0])
        row["train_s"] = float(np.mean(table.numbers("train_s", method=name)))
        row["latency_ms"] = float(np.median(table.numbers("latency_ms", method=name)))
        rows.append(row)
    return rows


def seed_means(table: ResultTable, method: str, demos: str) -> list[float]:
    """Return the mean over tasks for each seed."""
    where = {"method": method, "demos": demos}
    seeds = [table.numbers("success", **where, seed=seed) for seed in table.values("seed")]
    return [float(np.mean(successes)) for successes in seeds if successes]


def standard_error(values: list[float]) -> float:
    """Return the standard error of a mean; 0 for a single value."""
    return float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0


def draw(table: ResultTable) -> Path:
    """Draw success over demonstrations for every method, and over tasks at the most of them."""
    figure = Figure(figsize=(13, 5), layout="constrained")
    FigureCanvasAgg(figure)
    names = in_order(table.values("method"))
    demos = sorted(table.values("demos"), key=int)
    over, tasks = figure.subplots(1, 2, width_ratios=(1, 2))
    for name in names:
        means = [seed_means(table, name, count) for count in demos]
        over.errorbar(
            [int(count) for count in demos],
            [np.mean(m) if m else np.nan for m in means],
            [standard_error(m) for m in means],
            marker="o",
            capsize=3,
            label=name,
        )
    over.set_xlabel("demonstrations")
    over.set_ylabel("mean success over tasks")
    over.set_ylim(0, 1.02)
    over.legend()
    width = 0.8 / max(1, len(names))
    for index, name in enumerate(names):
        bars = [
            table.numbers("success", method=name, task=task, demos=demos[0])
            for task in table.values("task")
        ]
        places = np.arange(len(bars)) + index * width
        tasks.bar(places, [np.mean(b) if b else 0.0 for b in bars], width, label=name)
    tasks.set_xticks(np.arange(len(table.values("task"))) + 0.4, table.values("task"), rotation=30)
    tasks.set_title(f"success with {demos[0]} demonstrations, by task")
    path = table.directory / f"{NAME}.png"
    figure.savefig(path, dpi=110)
    return path
