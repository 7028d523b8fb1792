"""A training run of online learning: collect, update, evaluate, resume."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from dbp_ros.learning.checkpoint import Checkpoint, write_checkpoint
from dbp_ros.learning.training_log import TrainingLog, plot_curves, read_log
from dbp_ros.rl.checkpoint import finetuned_checkpoint, restore
from dbp_ros.rl.collector import Collector
from dbp_ros.rl.learner import Learner, Statistics
from dbp_ros.rl.resumable_env import ResumableEnv
from dbp_ros.rl.rollout import evaluate_learner
from dbp_ros.rl.state_tensors import with_prefix, without_prefix
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.types import VectorEnv

CURVE = "online_training.png"
# Seeds of the episodes of different runs, and of their evaluations, are disjoint.
SEEDS_PER_RUN = 1_000_000
FIRST_EVALUATION_SEED = 900_000_000
# Logged statistics of a learner; NaN before the first update.
LOGGED = ("kl", "sigma", "value_loss")

Report = Callable[[int, Statistics], None]


@dataclass(frozen=True)
class OnlineTrainingConfig(Settings):
    """Length and evaluations of a training run.

    Raises:
        ConfigError: If a number is out of range.
    """

    steps: int = setting(300_000, "control steps of the training", ge=1)
    eval_every: int = setting(10, "updates between evaluations, each with a checkpoint", ge=1)
    eval_episodes: int = setting(25, "episodes of an evaluation", ge=1)

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()


def no_report(steps: int, row: Statistics) -> None:
    """Report nothing."""


class OnlineTraining:
    """A training run with a folder for checkpoints.

    A resumed run makes the same updates as an uninterrupted one: the checkpoint contains the
    learner, the random generators and the unfinished episodes.

    Attributes:
        learner: The learner.
        steps: Control steps of training.
        updates: Number of updates.
        wall_s: Wall time of the training, without evaluations.
        cpu_s: CPU time of this process.
        clipped: Actions of this process that exceeded their range while exploring.
        row: Last row of the log.
    """

    def __init__(
        self,
        config: OnlineTrainingConfig,
        learner: Learner,
        pretrained: Checkpoint,
        env: VectorEnv,
        evaluation_env: VectorEnv,
        run: Path | None = None,
        *,
        origin: dict[str, Any] | None = None,
    ) -> None:
        """Start an episode in every environment.

        Args:
            config: Length and evaluations.
            learner: The learner, of the policy in `pretrained`.
            pretrained: Checkpoint of the pretrained policy.
            env: Environments of the training.
            evaluation_env: Other environments, for evaluations.
            run: Folder for checkpoints, log and curves; None to write nothing.
            origin: Description of the environment for the checkpoint.
        """
        self.config, self.learner = config, learner
        self._pretrained, self._evaluation_env, self._run = pretrained, evaluation_env, run
        self._origin = origin or {}
        self._log = TrainingLog(run, plot_online_training) if run is not None else None
        seed = learner.config.seed
        self._env = ResumableEnv(env)
        self._collector = Collector(self._env, learner, count(seed * SEEDS_PER_RUN), seed)
        self.steps, self.updates, self.wall_s, self.cpu_s = 0, 0, 0.0, 0.0
        self.clipped = 0
        self.row: Statistics = {}
        self._solved: list[bool] = []

    @property
    def evaluation_seeds(self) -> range:
        """Seeds of the episodes of every evaluation."""
        count = self.config.eval_episodes
        first = FIRST_EVALUATION_SEED + self.learner.config.seed * count
        return range(first, first + count)

    def run(self, stop_at: int | None = None, report: Report = no_report) -> None:
        """Train for the configured number of steps.

        Args:
            stop_at: Update to stop at early, with a checkpoint.
            report: Called after each update with the steps so far and, after an evaluation, the
                row.

        Raises:
            TrainingError: If a loss is not finite.
        """
        if self.updates == 0:
            if self._log is not None:
                self._log.clear()
            report(0, self._evaluate({}))
        while self.steps < self.config.steps and self.updates != stop_at:
            statistics = self._train()
            last = self.steps >= self.config.steps or self.updates == stop_at
            evaluate = last or self.updates % self.config.eval_every == 0
            report(self.steps, self._evaluate(statistics) if evaluate else {})
        if self._log is not None:
            self._log.close()

    def _train(self) -> Statistics:
        wall_start, cpu_start = time.monotonic(), time.process_time()
        collected = self._collector.collect(self.learner.config.decisions_per_env)
        statistics = self.learner.update(collected.transitions)
        self.steps += collected.steps
        self._solved += collected.successes
        self.clipped += collected.clipped
        self.updates += 1
        self.wall_s += time.monotonic() - wall_start
        self.cpu_s += time.process_time() - cpu_start
        return statistics

    def _evaluate(self, statistics: Statistics) -> Statistics:
        """Evaluate without exploration, then write the checkpoint and the log."""
        seed = self.learner.config.seed
        result = evaluate_learner(self._evaluation_env, self.learner, self.evaluation_seeds, seed)
        self.row = {
            "env_steps": float(self.steps),
            "wall_s": self.wall_s,
            "cpu_s": self.cpu_s,
            "success": result.success,
            "return": result.episode_return,
            "success_exploring": float(np.mean(self._solved)) if self._solved else math.nan,
            **{name: statistics.get(name, math.nan) for name in LOGGED},
        }
        self._solved = []
        if self._run is not None and self._log is not None:
            # A resumed run removes a row that is newer than its checkpoint.
            self._log.add(self.updates, self.row)
            write_checkpoint(self._run, self.checkpoint())
        return self.row

    def checkpoint(self) -> Checkpoint:
        """Return the state of the run with the policy, for export."""
        seeds, actions = self._env.episodes()
        episodes = {str(index): torch.from_numpy(value) for index, value in enumerate(actions)}
        state: dict[str, Tensor] = {
            "seeds": torch.tensor(seeds),
            **with_prefix("actions", episodes),
            **self._collector.state_dict(),
        }
        metadata = {
            "steps": self.steps,
            "updates": self.updates,
            "wall_s": round(self.wall_s, 3),
            "cpu_s": round(self.cpu_s, 3),
            "evaluation": self.row,
            **self._origin,
        }
        checkpoint = finetuned_checkpoint(self._pretrained, self.learner, metadata)
        return replace(checkpoint, tensors={**checkpoint.tensors, **with_prefix("online", state)})

    def resume(self, checkpoint: Checkpoint) -> None:
        """Restore the state of a run.

        Raises:
            TrainingError: If the checkpoint is not from online learning, or has other settings.
        """
        restore(checkpoint, self.learner)
        state = without_prefix("online", checkpoint.tensors)
        actions = without_prefix("actions", state)
        indices = range(self._env.num_envs)
        self._env.replay(
            state["seeds"].tolist(), [actions[str(index)].numpy() for index in indices]
        )
        self._collector.load_state_dict(state)
        metadata = checkpoint.metadata["finetuned"]
        self.steps, self.updates = metadata["steps"], metadata["updates"]
        self.wall_s, self.cpu_s = metadata["wall_s"], metadata["cpu_s"]
        if self._log is not None:
            self._log.truncate_after(self.updates)


def plot_online_training(run: Path) -> None:
    """Plot success and return over control steps and over time, and all columns over updates."""
    plot_curves(run)
    rows = read_log(run)
    figure = Figure(figsize=(11, 6), layout="constrained")
    FigureCanvasAgg(figure)
    for index, (y, x) in enumerate(
        (y, x) for y in ("success", "return") for x in ("env_steps", "wall_s")
    ):
        axes = figure.add_subplot(2, 2, index + 1)
        axes.plot([row[x] for row in rows], [row[y] for row in rows], marker=".")
        axes.set_xlabel("control steps" if x == "env_steps" else "time [s]")
        axes.set_ylabel(y)
        if y == "success":
            axes.set_ylim(-0.02, 1.02)
        axes.grid(alpha=0.3)
    figure.savefig(run / CURVE, dpi=100)
