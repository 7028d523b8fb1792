"""Training and evaluation runs of `dbp bench metaworld`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from benchmarks.decision import decision_latency_ms
from benchmarks.metaworld.chunk_player import ChunkPlayer
from benchmarks.metaworld.demonstrations import RECORDED, record
from benchmarks.methods import RUN, Method, families
from dbp_ros.envs.metaworld import (
    EVALUATION_GOALS,
    PAPER_TASKS,
    SMOKE_TASKS,
    STANDARD_TASKS,
    MetaworldTask,
)
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.learning.trainer import Trainer

NAME = "metaworld"
COLUMNS = (
    *("method", "task", "demos", "seed", "success", "episodes"),
    *("nfe", "train_s", "latency_ms"),
)
KEY = ("method", "task", "demos", "seed")
METHODS = ("dbp", "dbp_authors", "bc_mse", "ddim_100", "ddim_10", "flow_1", "meanflow")

SHARED = replace(
    RUN,
    num_steps=1_000,
    batch_size=64,
    # Of dbp. The widest keeps a choice that is demonstrated once for each observation.
    temperatures=(0.05, 0.1, 0.3, 1.0),
    initial_temperature_scale=1.0,
    horizon=4,
    latent_dct_modes=1,
    width=128,
    branch_width=128,
    depth=1,
    state_noise=0.05,
    allow_constant_actions=True,
)
EXPERT = "expert"


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

    methods: tuple[Method, ...]
    task: str
    demos: int
    seed: int
    data: Path

    def key(self, contender: Method) -> Row:
        """Return what tells its row apart."""
        return {
            "method": contender.name,
            "task": self.task,
            "demos": self.demos,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class ExpertJob:
    """The expert's own success at the goals of the evaluation, once a task and seed."""

    task: str
    seed: int

    def key(self) -> Row:
        """Return what tells its row apart."""
        return {"method": EXPERT, "task": self.task, "demos": 0, "seed": self.seed}


Job = MetaworldJob | ExpertJob


def metaworld_jobs(
    names: Sequence[Method], suite: Suite, seeds: int, table: ResultTable
) -> list[Job]:
    """Return the runs that the table lacks, seed by seed; methods that train alike share one."""
    data = table.directory / RECORDED
    missing: list[Job] = []
    for seed in range(seeds):
        experts = [ExpertJob(task, seed) for task in suite.tasks]
        missing += [expert for expert in experts if not table.has(expert.key())]
        jobs = [
            MetaworldJob(family, task, demos, seed, data)
            for demos in suite.demos
            for task in suite.tasks
            for family in families(names, SHARED)
        ]
        left = [
            replace(job, methods=tuple(c for c in job.methods if not table.has(job.key(c))))
            for job in jobs
        ]
        missing += [job for job in left if job.methods]
    return missing


def run_metaworld(job: Job) -> list[Row]:
    """Train once and evaluate each method that runs it, or let the expert try."""
    return _try_expert(job) if isinstance(job, ExpertJob) else _train_and_try(job)


def _try_expert(job: ExpertJob) -> list[Row]:
    task = MetaworldTask(job.task, job.seed)
    rollout = task.rollout(task.expert, EVALUATION_GOALS)
    outcome = {"success": float(rollout.successes.mean()), "episodes": len(rollout.successes)}
    return [{**job.key(), **outcome, "nfe": 0, "train_s": 0.0, "latency_ms": ""}]


def _train_and_try(job: MetaworldJob) -> list[Row]:
    task = MetaworldTask(job.task, job.seed)
    config = replace(job.methods[0].training(SHARED), seed=job.seed)
    trainer = Trainer(config, record(task, job.seed, job.demos, job.data))
    trainer.train()
    policy, rows = trainer.average.network, []
    for contender in job.methods:
        policy.method.num_inference_steps = contender.config(SHARED).num_inference_steps
        player = ChunkPlayer(policy, len(EVALUATION_GOALS), job.seed)
        rollout = task.rollout(player.act, EVALUATION_GOALS)
        row = {
            **job.key(contender),
            "success": float(rollout.successes.mean()),
            "episodes": len(rollout.successes),
            "nfe": policy.method.num_inference_steps,
            "train_s": trainer.train_s,
            "latency_ms": decision_latency_ms(policy),
        }
        rows.append(row)
    return rows
