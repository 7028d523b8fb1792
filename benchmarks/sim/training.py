"""Training and evaluation runs of `dbp bench sim`.

The scripted expert demonstrates all modes in turn. Evaluation episodes use held-out seeds.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path
from types import MappingProxyType

from benchmarks.methods import (
    BASE_CONFIG,
    N_ACTION_STEPS,
    ComparedMethod,
    evaluate_methods,
    group_by_training,
)
from dbp_ros.data.episode import read_episodes
from dbp_ros.envs.env import CameraView
from dbp_ros.envs.local_vector_env import LocalVectorEnv
from dbp_ros.envs.registry import CELL, EnvSpec
from dbp_ros.evaluation.collection import CollectionPlan
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.learning.dataset import Demonstrations, join_episodes
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.learning.trainer import Trainer
from dbp_ros.rl.rollout import run_episodes
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.sim.tasks.registry import make_task

NAME = "sim"
KEY = ("method", "task", "observation", "demos", "updates", "seed", "episodes")
COLUMNS = (
    *("method", "task", "observation", "demos", "updates", "seed"),
    *("success", "episodes", "nfe", "train_s", "latency_ms"),
)
METHODS = ("dbp", "bc_mse", "ddim_10")
OBSERVATIONS = ("state", "image")
IMAGE_PX = 84
NOISE_RAD = 0.005
FIRST_EPISODE = 100_000

# `smallest_range` keeps the normaliser from amplifying the state of an object that never moved.
# A denoiser passes all 112 numbers of a noisy chunk through the branch: with a width of 128 DDIM
# solves none of ten episodes of lift, with 256 half of them.
SHARED = replace(
    BASE_CONFIG,
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
    """Scope of a comparison.

    Attributes:
        tasks: Tasks of the cell.
        observations: `state` for joints and object poses, `image` for joints and three cameras.
        demos: Demonstrations of each task.
        episodes: Episodes of each evaluation.
        updates: Optimizer steps of each training run.
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
    """One training run and the methods evaluated on its network."""

    methods: tuple[ComparedMethod, ...]
    plan: CollectionPlan
    suite: SimSuite
    seed: int

    def key(self, method: ComparedMethod) -> Row:
        """Return the key of a method's row."""
        return {
            "method": method.name,
            "task": self.plan.task,
            "observation": "image" if self.plan.size else "state",
            "demos": self.suite.demos,
            "updates": self.suite.updates,
            "seed": self.seed,
            "episodes": self.suite.episodes,
        }


def sim_jobs(
    methods: Sequence[ComparedMethod], suite: SimSuite, seeds: int, table: ResultTable
) -> list[SimJob]:
    """Return the runs missing in the table; methods with equal training share one."""
    wanted = product(
        suite.observations, range(seeds), suite.tasks, group_by_training(methods, SHARED)
    )
    jobs = []
    for observation, seed, task, group in wanted:
        job = SimJob(group, plan_of(task, observation, table.directory), suite, seed)
        missing = tuple(method for method in group if not table.has(job.key(method)))
        if missing:
            jobs.append(replace(job, methods=missing))
    return jobs


def plan_of(task: str, observation: str, directory: Path) -> CollectionPlan:
    """Return the collection plan of a task for one kind of observation."""
    return CollectionPlan(
        task=task,
        modes=make_task(task).modes,
        seed=0,
        noise_rad=NOISE_RAD,
        size=IMAGE_PX if observation == "image" else 0,
        backend="auto",
        directory=directory / "demonstrations" / f"{task}_{observation}",
        object_states=observation == "state",
    )


def run_sim(job: SimJob) -> list[Row]:
    """Train once and evaluate each method."""
    suite = job.suite
    config = replace(job.methods[0].training_config(SHARED), seed=job.seed, num_steps=suite.updates)
    trainer = Trainer(config, _read(job.plan.directory, suite.demos))
    trainer.train()
    seeds = range(FIRST_EPISODE, FIRST_EPISODE + suite.episodes)

    shape = trainer.shape
    view = CameraView(shape.state_names, shape.cameras, shape.step_s)
    env = LocalVectorEnv(EnvSpec(f"{CELL}{job.plan.task}", view=view), suite.episodes)

    def evaluate(method: ComparedMethod, policy: PolicyNetwork) -> Row:
        """Run episodes without latency and guard, with the latents of the robot."""
        results = run_episodes(
            env,
            policy,
            seeds,
            n_action_steps=N_ACTION_STEPS,
            latent_time_constant_s=PolicyConfig.latent_time_constant_s,
            seed=job.seed,
        )
        return {**job.key(method), "success": float(results.successes.mean())}

    with closing(env):
        return evaluate_methods(trainer, job.methods, SHARED, evaluate)


def _read(directory: Path, count: int) -> Demonstrations:
    episodes = islice(read_episodes(directory), count)
    return join_episodes((episode, f"seed {episode.seed}") for episode in episodes)
