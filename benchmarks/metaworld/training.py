"""Training and evaluation runs of `dbp bench metaworld`.

Observations are low-dimensional states relative to the hand; the paper uses point clouds. No goal
of the demonstrations is evaluated.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from benchmarks.metaworld.demonstrations import RECORDED, record
from benchmarks.methods import (
    BASE_CONFIG,
    N_ACTION_STEPS,
    ComparedMethod,
    evaluate_methods,
    group_by_training,
)
from dbp_ros.envs.local_vector_env import LocalVectorEnv
from dbp_ros.envs.metaworld_env import MetaworldEnv, evaluation_goals
from dbp_ros.envs.metaworld_tasks import (
    EVALUATION_GOALS,
    PAPER_TASKS,
    SMOKE_TASKS,
    STANDARD_TASKS,
    MetaworldTask,
)
from dbp_ros.envs.registry import EnvSpec
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.learning.trainer import Trainer
from dbp_ros.rl.rollout import run_episodes
from dbp_ros.types import Flags

NAME = "metaworld"
COLUMNS = (
    *("method", "task", "demos", "seed", "success", "episodes"),
    *("nfe", "train_s", "latency_ms"),
)
KEY = ("method", "task", "demos", "seed")
METHODS = ("dbp", "dbp_published", "bc_mse", "ddim_100", "ddim_10", "flow_1", "meanflow")

SHARED = replace(
    BASE_CONFIG,
    num_steps=1_000,
    batch_size=64,
    # For dbp. The largest preserves modes that are demonstrated once per observation.
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
# Far below the time between two decisions: latents are independent.
LATENT_TIME_CONSTANT_S = 1e-6


@dataclass(frozen=True)
class Suite:
    """Tasks and numbers of demonstrations."""

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
    """One training run and the methods evaluated on its network."""

    methods: tuple[ComparedMethod, ...]
    task: str
    demos: int
    seed: int
    data: Path

    def key(self, method: ComparedMethod) -> Row:
        """Return the key of the row."""
        return {
            "method": method.name,
            "task": self.task,
            "demos": self.demos,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class ExpertJob:
    """Evaluation of the scripted expert at the evaluation goals."""

    task: str
    seed: int

    def key(self) -> Row:
        """Return the key of the row."""
        return {"method": EXPERT, "task": self.task, "demos": 0, "seed": self.seed}


Job = MetaworldJob | ExpertJob


@dataclass(frozen=True)
class GoalsSpec(EnvSpec):
    """A task with the evaluation goals of one seed; the seed of an episode is the goal's index."""

    goals_seed: int = 0

    def make(self) -> MetaworldEnv:
        """Return a new environment."""
        return MetaworldEnv(self.id, True, evaluation_goals(self.id, (self.goals_seed,)))


def metaworld_jobs(
    names: Sequence[ComparedMethod], suite: Suite, seeds: int, table: ResultTable
) -> list[Job]:
    """Return the runs missing in the table by seed; methods with equal training share one."""
    data = table.directory / RECORDED
    missing: list[Job] = []
    for seed in range(seeds):
        experts = [ExpertJob(task, seed) for task in suite.tasks]
        missing += [expert for expert in experts if not table.has(expert.key())]
        jobs = [
            MetaworldJob(group, task, demos, seed, data)
            for demos in suite.demos
            for task in suite.tasks
            for group in group_by_training(names, SHARED)
        ]
        incomplete = [
            replace(job, methods=tuple(m for m in job.methods if not table.has(job.key(m))))
            for job in jobs
        ]
        missing += [job for job in incomplete if job.methods]
    return missing


def run_metaworld(job: Job) -> list[Row]:
    """Train once and evaluate each method, or evaluate the expert."""
    return _evaluate_expert(job) if isinstance(job, ExpertJob) else _train_and_evaluate(job)


def _evaluate_expert(job: ExpertJob) -> list[Row]:
    task = MetaworldTask(job.task, job.seed)
    rollout = task.rollout(task.expert, EVALUATION_GOALS)
    return [{**job.key(), **_score(rollout.successes), "nfe": 0, "train_s": 0.0, "latency_ms": ""}]


def _train_and_evaluate(job: MetaworldJob) -> list[Row]:
    task = MetaworldTask(job.task, job.seed)
    config = replace(job.methods[0].training_config(SHARED), seed=job.seed)
    trainer = Trainer(config, record(task, job.seed, job.demos, job.data))
    trainer.train()

    env = LocalVectorEnv(GoalsSpec(job.task, goals_seed=job.seed), len(EVALUATION_GOALS))

    def evaluate(method: ComparedMethod, policy: PolicyNetwork) -> Row:
        results = run_episodes(
            env,
            policy,
            range(env.num_envs),
            n_action_steps=N_ACTION_STEPS,
            latent_time_constant_s=LATENT_TIME_CONSTANT_S,
            seed=job.seed,
        )
        return {**job.key(method), **_score(results.successes)}

    with closing(env):
        return evaluate_methods(trainer, job.methods, SHARED, evaluate)


def _score(successes: Flags) -> Row:
    return {"success": float(successes.mean()), "episodes": len(successes)}
