"""The tasks of `dbp bench rl --suite standard`, and how one run of one of them goes.

Meta-World's begin from demonstrations and pay for success alone; gymnasium's begin from data of
medium quality and pay their own rewards. Judged are whole episodes of environments of their own,
one pass for each decision and no exploration.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from dbp_ros.bench.starts import control_start, imitation_of, metaworld_start
from dbp_ros.bench.table import ResultTable, Row
from dbp_ros.learning.checkpoint import CHECKPOINT, Checkpoint, read_checkpoint
from dbp_ros.learning.log import TABLE
from dbp_ros.learning.online.config import FinetuneConfig
from dbp_ros.learning.online.practice import Practice, PracticeConfig
from dbp_ros.learning.online.registry import build_learner
from dbp_ros.sim.gyms.engines import open_gym
from dbp_ros.sim.gyms.registry import METAWORLD, Gym

RUNS = "runs"
METAWORLD_TASKS = ("push", "pick-place", "assembly", "peg-insert-side")
CONTROL_TASKS = ("Hopper-v5", "Walker2d-v5")
DEMONSTRATIONS = 5

SPARSE = FinetuneConfig(
    gamma=0.995,
    sigma=0.1,
    environments=16,
    decisions=64,
    minibatch=256,
)
CONTROL = FinetuneConfig(environments=8, decisions=128, minibatch=128)


@dataclass(frozen=True)
class RlTask:
    """What is practised, from where, and how.

    Attributes:
        name: In tables.
        gym: Name of the environment.
        demos: Demonstrations at the start; 0 for data of medium quality.
        settings: Of the learner, but for its algorithm and seed.
        practice: How long.
    """

    name: str
    gym: str
    demos: int
    settings: FinetuneConfig
    practice: PracticeConfig

    def start(self, algorithm: str, seed: int, directory: Path) -> Checkpoint:
        """Return the policy that a run begins from, made anew or kept."""
        method = imitation_of(algorithm)
        if self.demos:
            task = self.gym.removeprefix(METAWORLD)
            return metaworld_start(task, self.demos, method, seed, directory)
        return control_start(self.gym, method, seed, directory)


def _metaworld(task: str, demos: int, name: str) -> RlTask:
    return RlTask(name, METAWORLD + task, demos, SPARSE, PracticeConfig(steps=300_000))


TASKS = MappingProxyType(
    {
        task.name: task
        for task in (
            *(_metaworld(task, DEMONSTRATIONS, task) for task in METAWORLD_TASKS),
            *(_metaworld(task, 1, f"{task} from 1") for task in METAWORLD_TASKS),
            *(
                RlTask(name, name, 0, CONTROL, PracticeConfig(steps=300_000, judge_episodes=10))
                for name in CONTROL_TASKS
            ),
        )
    }
)


@dataclass(frozen=True)
class RlJob:
    """One run."""

    method: str
    env: str
    seed: int
    directory: Path

    def key(self) -> Row:
        """Return what tells its rows apart from those of other runs."""
        return {"method": self.method, "env": self.env, "seed": self.seed}


def rl_jobs(
    methods: Sequence[str], names: Sequence[str], seeds: int, table: ResultTable
) -> list[RlJob]:
    """Return the runs that the table lacks, seed by seed."""
    jobs = [
        RlJob(method, env, seed, table.directory)
        for seed in range(seeds)
        for method in methods
        for env in names
    ]
    return [job for job in jobs if not table.numbers("env_steps", **job.key())]


def run_rl(job: RlJob) -> list[Row]:
    """Practise to the end, from where an earlier run of the job was stopped if there was one."""
    task = TASKS[job.env]
    run = job.directory / RUNS / f"{job.env.replace(' ', '_')}_{job.method}_{job.seed}"
    stopped = (run / CHECKPOINT).exists()
    start = read_checkpoint(run) if stopped else task.start(job.method, job.seed, job.directory)
    settings = replace(task.settings, algorithm=job.method, seed=job.seed)
    learner = build_learner(start.policy(), settings)
    environment = open_gym(Gym(task.gym), settings.environments)
    judging = open_gym(
        Gym(task.gym, evaluation=True, goal_seed=job.seed), task.practice.judge_episodes
    )
    try:
        practice = Practice(
            task.practice, learner, start, environment, judging, run, origin={"env": task.gym}
        )
        if stopped:
            practice.resume(start)
        practice.go()
    finally:
        environment.close()
        judging.close()
    return _rows(job, run)


def _rows(job: RlJob, run: Path) -> list[Row]:
    """Return the log of a run as rows of the benchmark."""
    with (run / TABLE).open(encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    names = ("wall_s", "success", "return", "kl", "sigma")
    return [
        {
            **job.key(),
            "env_steps": int(float(row["env_steps"])),
            **{name: float(row[name]) for name in names},
        }
        for row in found
    ]
