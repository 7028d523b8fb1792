"""`dbp bench sim`: success in the simulated cell, of policies that see states or pictures.

Demonstrations are the scripted expert's, its ways in turn; episodes begin from seeds that no
demonstration has, and the task's own test says which succeed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path
from types import MappingProxyType

import numpy as np

from benchmarks.decision import decision_latency_ms
from benchmarks.methods import RUN, Method, families
from benchmarks.sim.lockstep import play
from dbp_ros.data.episode import read_episodes
from dbp_ros.evaluation.collection import CollectionPlan
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.learning.dataset import Demonstrations, join_episodes
from dbp_ros.learning.trainer import Trainer
from dbp_ros.sim.tasks.registry import make_task

NAME = "sim"
KEY = ("method", "task", "observation", "demos", "updates", "seed", "episodes")
COLUMNS = (
    *("method", "task", "observation", "demos", "updates", "seed"),
    *("success", "episodes", "nfe", "train_s", "latency_ms"),
)
METHODS = ("dbp", "bc_mse", "ddim_10")
OBSERVATIONS = ("state", "image")
PICTURE_PX = 84
NOISE_RAD = 0.005
FIRST_EPISODE = 100_000

# Without a least range, a bin that never moved would be all that a policy sees once it is touched.
# What denoises has to pass all 112 numbers of a noisy chunk through the branch: with a width of 128
# DDIM solves none of ten episodes of lift, with 256 half of them.
SHARED = replace(
    RUN,
    horizon=8,
    latent_dct_modes=1,
    width=256,
    branch_width=512,
    depth=2,
    allow_constant_actions=True,
    smallest_range=0.1,
    bfloat16=True,
)


@dataclass(frozen=True)
class SimSuite:
    """What every method is asked.

    Attributes:
        tasks: Of the cell.
        observations: `state` for the joints and the poses of the task's things, `image` for the
            joints and three cameras.
        demos: Demonstrations of each task.
        episodes: Of each evaluation.
        updates: Of each training.
    """

    tasks: tuple[str, ...]
    observations: tuple[str, ...]
    demos: int
    episodes: int
    updates: int


SUITES = MappingProxyType(
    {
        "smoke": SimSuite(("lift",), ("state",), 20, 10, 1_000),
        "standard": SimSuite(("lift", "can", "transport"), OBSERVATIONS, 50, 25, 3_000),
    }
)


@dataclass(frozen=True)
class SimJob:
    """One training, and the methods that run what was trained."""

    methods: tuple[Method, ...]
    plan: CollectionPlan
    suite: SimSuite
    seed: int

    def key(self, contender: Method) -> Row:
        """Return what tells its row apart."""
        return {
            "method": contender.name,
            "task": self.plan.task,
            "observation": "image" if self.plan.size else "state",
            "demos": self.suite.demos,
            "updates": self.suite.updates,
            "seed": self.seed,
            "episodes": self.suite.episodes,
        }


def sim_jobs(
    chosen: Sequence[Method], suite: SimSuite, seeds: int, table: ResultTable
) -> list[SimJob]:
    """Return the runs that the table lacks, states first; what trains alike shares a run."""
    wanted = product(suite.observations, range(seeds), suite.tasks, families(chosen, SHARED))
    jobs = []
    for observation, seed, task, family in wanted:
        job = SimJob(family, plan_of(task, observation, table.directory), suite, seed)
        lacking = tuple(c for c in family if not table.has(job.key(c)))
        if lacking:
            jobs.append(replace(job, methods=lacking))
    return jobs


def plan_of(task: str, observation: str, directory: Path) -> CollectionPlan:
    """Return how a task is demonstrated to policies that see states or pictures: the same way."""
    return CollectionPlan(
        task=task,
        modes=make_task(task).modes,
        seed=0,
        noise_rad=NOISE_RAD,
        size=PICTURE_PX if observation == "image" else 0,
        backend="auto",
        directory=directory / "demonstrations" / f"{task}_{observation}",
        things=observation == "state",
    )


def run_sim(job: SimJob) -> list[Row]:
    """Train once and evaluate each method that runs it."""
    suite = job.suite
    config = replace(job.methods[0].training(SHARED), seed=job.seed, num_steps=suite.updates)
    trainer = Trainer(config, _read(job.plan.directory, suite.demos))
    trainer.train()
    policy, rows = trainer.average.network, []
    for contender in job.methods:
        policy.method.num_inference_steps = contender.config(SHARED).num_inference_steps
        seeds = range(FIRST_EPISODE, FIRST_EPISODE + suite.episodes)
        row = {
            **job.key(contender),
            "success": float(np.mean(play(policy, job.plan.task, seeds))),
            "nfe": policy.method.num_inference_steps,
            "train_s": trainer.train_s,
            "latency_ms": decision_latency_ms(policy),
        }
        rows.append(row)
    return rows


def _read(directory: Path, count: int) -> Demonstrations:
    episodes = islice(read_episodes(directory), count)
    return join_episodes((episode, f"seed {episode.seed}") for episode in episodes)
