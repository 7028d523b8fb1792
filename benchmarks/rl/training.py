"""Training runs of `dbp bench rl`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.rl.envs import RlEnv
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.learning.checkpoint import CHECKPOINT, Checkpoint, read_checkpoint, write_checkpoint
from dbp_ros.learning.training_log import read_log
from dbp_ros.rl.online_training import OnlineTraining, OnlineTrainingConfig
from dbp_ros.rl.registry import build_learner

NAME = "rl"
COLUMNS = (
    *("method", "env", "seed", "env_steps", "wall_s", "cpu_s"),
    *("success", "return", "kl", "sigma"),
)
KEY = ("method", "env", "seed", "env_steps")

# An env says how many updates a run has, so its number of steps is no limit.
NO_LIMIT = 10**12


@dataclass(frozen=True)
class RlMethod:
    """A way to learn online, and what it begins with.

    Attributes:
        name: In tables and on the command line; an algorithm of `FinetuneConfig`.
        imitated_by: ComparedMethod by which its first policy is trained.
        settings: What it changes of an env's `FinetuneConfig`.
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
            _method("dbpo_authors", "dbp", latent_time_constant_s=1e-6, latent_anneal_versions=0),
            _method("gaussian_ppo", "bc_mse", latent_anneal_versions=0),
            # Its steps are many and small: a decision is drawn again and again.
            _method("dfp", "dbp", minibatch=256, latent_anneal_versions=0),
        )
    }
)


@dataclass(frozen=True)
class RlJob:
    """One run: a method in an env, from a seed; policies go to a folder."""

    method: RlMethod
    env: RlEnv
    seed: int
    folder: Path

    def key(self) -> Row:
        """Return what its rows have in common."""
        return {"method": self.method.name, "env": self.env.name, "seed": self.seed}


def rl_jobs(
    methods: Sequence[RlMethod], envs: Sequence[RlEnv], seeds: int, table: ResultTable
) -> list[RlJob]:
    """Return the runs that the table lacks."""
    folder = table.directory / "policies"
    jobs = [
        RlJob(method, env, seed, folder)
        for seed in range(seeds)
        for env in envs
        for method in methods
    ]
    return [j for j in jobs if len(table.numbers("success", **j.key())) < j.env.judgements]


def run_rl(job: RlJob) -> list[Row]:
    """Learn, from where an earlier run of the job was stopped if there was one."""
    env, method = job.env, job.method
    run = job.folder / f"{env.name}_{method.name}_{job.seed}"
    stopped = (run / CHECKPOINT).exists()
    begun = read_checkpoint(run) if stopped else imitated(job)
    config = replace(env.config, algorithm=method.name, seed=job.seed, **method.settings)
    practice = OnlineTraining(
        OnlineTrainingConfig(steps=NO_LIMIT, eval_every=env.eval_every, eval_episodes=env.episodes),
        build_learner(begun.policy(), config),
        begun,
        env.open(config.environments, False),
        env.open(env.episodes, True),
        run,
        origin={"env": env.name},
    )
    if stopped:
        practice.resume(begun)
    practice.go(env.updates)
    found = [name for name in COLUMNS if name not in job.key()]
    rows = [{**job.key(), **{name: row[name] for name in found}} for row in read_log(run)]
    return [{**row, "env_steps": int(row["env_steps"])} for row in rows]


def imitated(job: RlJob) -> Checkpoint:
    """Return the policy that runs of a seed begin with, trained once."""
    method = job.method.imitated_by
    run = job.folder / f"{job.env.name}_imitated_{method}_{job.seed}"
    if not (run / CHECKPOINT).exists():
        write_checkpoint(run, job.env.imitate(method, job.seed, job.folder))
    return read_checkpoint(run)
