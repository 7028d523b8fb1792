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
from dbp_ros.settings.finetune import Algorithm

NAME = "rl"
COLUMNS = (
    *("method", "env", "seed", "env_steps", "wall_s", "cpu_s"),
    *("success", "return", "kl", "sigma"),
)
KEY = ("method", "env", "seed", "env_steps")

# `RlEnv.updates` limits a run, not its number of steps.
NO_LIMIT = 10**12


@dataclass(frozen=True)
class RlMethod:
    """An algorithm of online learning with its initial policy.

    Attributes:
        name: Algorithm of `FinetuneConfig`, also in tables and on the command line.
        pretrained_by: Method that trains the initial policy.
        settings: Changes to the `FinetuneConfig` of an environment.
    """

    name: Algorithm
    pretrained_by: str
    settings: Mapping[str, Any]


def _method(name: Algorithm, pretrained_by: str, **settings: Any) -> RlMethod:
    return RlMethod(name, pretrained_by, settings)


# Settings that some algorithms do not have.
PLAIN = {"latent_anneal_versions": 0, "reuse_updates": 0}
METHODS: Mapping[str, RlMethod] = MappingProxyType(
    {
        method.name: method
        for method in (
            _method("dbpo", "dbp"),
            _method("dbpo_no_anchor", "dbp"),
            # A new latent for each decision.
            _method("dbpo_published", "dbp", latent_time_constant_s=1e-6, **PLAIN),
            _method("gaussian_ppo", "bc_mse", latent_anneal_versions=0),
            # Many small steps: each decision is sampled repeatedly.
            _method("dfp", "dbp", minibatch_size=256, **PLAIN),
        )
    }
)


@dataclass(frozen=True)
class RlJob:
    """One run of a method in an environment; policies go to `folder`."""

    method: RlMethod
    env: RlEnv
    seed: int
    folder: Path

    def key(self) -> Row:
        """Return the common key of its rows."""
        return {"method": self.method.name, "env": self.env.name, "seed": self.seed}


def rl_jobs(
    methods: Sequence[RlMethod], envs: Sequence[RlEnv], seeds: int, table: ResultTable
) -> list[RlJob]:
    """Return the runs missing in the table."""
    folder = table.directory / "policies"
    jobs = [
        RlJob(method, env, seed, folder)
        for seed in range(seeds)
        for env in envs
        for method in methods
    ]
    return [j for j in jobs if len(table.numbers("success", **j.key())) < j.env.num_evaluations]


def run_rl(job: RlJob) -> list[Row]:
    """Train, or resume an interrupted run, and return its rows."""
    env, method = job.env, job.method
    run = job.folder / f"{env.name}_{method.name}_{job.seed}"
    interrupted = (run / CHECKPOINT).exists()
    checkpoint = read_checkpoint(run) if interrupted else initial_policy(job)
    config = replace(env.config, algorithm=method.name, seed=job.seed, **method.settings)
    training = OnlineTraining(
        OnlineTrainingConfig(steps=NO_LIMIT, eval_every=env.eval_every, eval_episodes=env.episodes),
        build_learner(checkpoint.policy(), config),
        checkpoint,
        env.open(config.num_envs, False),
        env.open(env.episodes, True),
        run,
        origin={"env": env.name},
    )
    if interrupted:
        training.resume(checkpoint)
    training.run(env.updates)
    columns = [name for name in COLUMNS if name not in job.key()]
    rows = [{**job.key(), **{name: row[name] for name in columns}} for row in read_log(run)]
    return [{**row, "env_steps": int(row["env_steps"])} for row in rows]


def initial_policy(job: RlJob) -> Checkpoint:
    """Return the initial policy of the runs of a seed, trained once."""
    method = job.method.pretrained_by
    run = job.folder / f"{job.env.name}_imitated_{method}_{job.seed}"
    if not (run / CHECKPOINT).exists():
        write_checkpoint(run, job.env.imitate(method, job.seed, job.folder))
    return read_checkpoint(run)
