"""A run of online learning: collect, learn, be judged now and then, and be able to stop."""

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
from dbp_ros.learning.training_log import TrainingLog, draw_curves, read_log
from dbp_ros.rl.checkpoint import finetuned, restore
from dbp_ros.rl.learner import Learner, Statistics
from dbp_ros.rl.resumable_env import ResumableEnv
from dbp_ros.rl.rollout import Collector, evaluate_learner
from dbp_ros.rl.state_tensors import with_prefix, without_prefix
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.types import VectorEnv

CURVE = "practice.png"
# Episodes of different seeds of a run must not be the same ones; nor those that judge it.
SEEDS_OF_A_RUN = 1_000_000
FIRST_JUDGING_SEED = 900_000_000
# What every learner says after an update, and nobody before the first one.
LOGGED = ("kl", "sigma", "value_loss")

Report = Callable[[int, Statistics], None]


@dataclass(frozen=True)
class OnlineTrainingConfig(Settings):
    """How long a policy practises, and when it is judged.

    Raises:
        ConfigError: If a number is out of range.
    """

    steps: int = setting(300_000, "control steps of practice in all", ge=1)
    eval_every: int = setting(10, "updates between evaluations, each with a checkpoint", ge=1)
    eval_episodes: int = setting(25, "episodes of an evaluation", ge=1)

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()


def no_report(steps: int, row: Statistics) -> None:
    """Report nothing."""


class OnlineTraining:
    """One run, and the folder it is kept in.

    Stopped and resumed it makes the same updates as if it had never been stopped: the learner,
    everything random and the unfinished episodes are in the checkpoint.

    Attributes:
        learner: Who learns.
        steps: Control steps of practice so far.
        updates: How many there have been.
        wall_s: Time they took in [s], without evaluations.
        cpu_s: Time of this process in it in [s].
        row: What was last found out.
    """

    def __init__(
        self,
        config: OnlineTrainingConfig,
        learner: Learner,
        imitated: Checkpoint,
        environment: VectorEnv,
        judging: VectorEnv,
        run: Path | None = None,
        *,
        origin: dict[str, Any] | None = None,
    ) -> None:
        """Begin episodes at every place.

        Args:
            config: How long.
            learner: Who learns, from `imitated`.
            imitated: Where its policy came from.
            environment: To practise in.
            judging: To be judged in: another one, with at least as many environments as episodes.
            run: Folder for checkpoints, log and curves; None to keep nothing on disk.
            origin: What the checkpoint should say about where it practised.
        """
        self.config, self.learner = config, learner
        self._imitated, self._judging, self._run = imitated, judging, run
        self._origin = origin or {}
        self._log = TrainingLog(run, draw_online_training) if run is not None else None
        seed = learner.config.seed
        self._environment = ResumableEnv(environment)
        self._collector = Collector(self._environment, learner, count(seed * SEEDS_OF_A_RUN), seed)
        self.steps, self.updates, self.wall_s, self.cpu_s = 0, 0, 0.0, 0.0
        self.row: Statistics = {}
        self._solved: list[bool] = []

    @property
    def evaluation_seeds(self) -> range:
        """Seeds of the episodes of every evaluation; those of another run are others."""
        count = self.config.eval_episodes
        first = FIRST_JUDGING_SEED + self.learner.config.seed * count
        return range(first, first + count)

    def go(self, stop_at: int | None = None, report: Report = no_report) -> None:
        """Practise until the settings' number of steps is reached.

        Args:
            stop_at: Update to stop before the end at, with a checkpoint.
            report: Called after each update with the steps so far and, after an evaluation, the
                row.

        Raises:
            TrainingError: If the policy left the finite.
        """
        if self.updates == 0:
            report(0, self._judge({}))
        while self.steps < self.config.steps and self.updates != stop_at:
            statistics = self._learn()
            over = self.steps >= self.config.steps or self.updates == stop_at
            due = over or self.updates % self.config.eval_every == 0
            report(self.steps, self._judge(statistics) if due else {})
        if self._log is not None:
            self._log.close()

    def _learn(self) -> Statistics:
        began, busy = time.monotonic(), time.process_time()
        collected = self._collector.collect(self.learner.config.decisions)
        statistics = self.learner.update(collected.transitions)
        self.steps += collected.steps
        self._solved += collected.successes
        self.updates += 1
        self.wall_s += time.monotonic() - began
        self.cpu_s += time.process_time() - busy
        return statistics

    def _judge(self, statistics: Statistics) -> Statistics:
        """Play episodes without exploration, then keep all there is to keep."""
        seed = self.learner.config.seed
        judged = evaluate_learner(self._judging, self.learner, self.evaluation_seeds, seed)
        self.row = {
            "env_steps": float(self.steps),
            "wall_s": self.wall_s,
            "cpu_s": self.cpu_s,
            "success": judged.success,
            "return": judged.episode_return,
            "success_exploring": float(np.mean(self._solved)) if self._solved else math.nan,
            **{name: statistics.get(name, math.nan) for name in LOGGED},
        }
        self._solved = []
        if self._run is not None and self._log is not None:
            write_checkpoint(self._run, self.checkpoint())
            self._log.add(self.updates, self.row)
        return self.row

    def checkpoint(self) -> Checkpoint:
        """Return the policy as a checkpoint that can be exported, and all the run needs."""
        seeds, actions = self._environment.episodes()
        episodes = {str(place): torch.from_numpy(done) for place, done in enumerate(actions)}
        practised: dict[str, Tensor] = {
            "seeds": torch.tensor(seeds),
            **with_prefix("actions", episodes),
            **self._collector.state_dict(),
        }
        facts = {
            "steps": self.steps,
            "updates": self.updates,
            "wall_s": round(self.wall_s, 3),
            "cpu_s": round(self.cpu_s, 3),
            "judged": self.row,
            **self._origin,
        }
        whole = finetuned(self._imitated, self.learner, facts)
        return replace(whole, tensors={**whole.tensors, **with_prefix("practice", practised)})

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on where a run stopped.

        Raises:
            TrainingError: If the checkpoint is not of online learning, or of other settings.
        """
        restore(checkpoint, self.learner)
        practised = without_prefix("practice", checkpoint.tensors)
        actions = without_prefix("actions", practised)
        indices = range(self._environment.num_envs)
        self._environment.relive(
            practised["seeds"].tolist(), [actions[str(index)].numpy() for index in indices]
        )
        self._collector.load_state_dict(practised)
        facts = checkpoint.facts["finetuned"]
        self.steps, self.updates = facts["steps"], facts["updates"]
        self.wall_s, self.cpu_s = facts["wall_s"], facts["cpu_s"]
        if self._log is not None:
            self._log.truncate_after(self.updates)


def draw_online_training(run: Path) -> None:
    """Draw success and return over control steps and over time, and all else over updates."""
    draw_curves(run)
    rows = read_log(run)
    figure = Figure(figsize=(11, 6), layout="constrained")
    FigureCanvasAgg(figure)
    for index, (value, over) in enumerate(
        (value, over) for value in ("success", "return") for over in ("env_steps", "wall_s")
    ):
        axes = figure.add_subplot(2, 2, index + 1)
        axes.plot([row[over] for row in rows], [row[value] for row in rows], marker=".")
        axes.set_xlabel("control steps" if over == "env_steps" else "time [s]")
        axes.set_ylabel(value)
        if value == "success":
            axes.set_ylim(-0.02, 1.02)
        axes.grid(alpha=0.3)
    figure.savefig(run / CURVE, dpi=100)
