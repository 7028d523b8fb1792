"""Policies that online learning begins from, each trained by the benchmark itself and kept."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dbp_ros.bench.contenders import CONTENDERS
from dbp_ros.bench.control import medium_data
from dbp_ros.bench.metaworld import RECORDED, SHARED, record
from dbp_ros.learning.checkpoint import CHECKPOINT, Checkpoint, read_checkpoint, write_checkpoint
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.trainer import Trainer
from dbp_ros.sim.metaworld import MetaworldTask

POLICIES = "policies"


def imitation_of(algorithm: str) -> str:
    """Return which way of imitation an online algorithm begins from."""
    return "bc_mse" if algorithm == "gaussian_ppo" else "dbp"


def metaworld_start(task: str, demos: int, method: str, seed: int, directory: Path) -> Checkpoint:
    """Return what `dbp bench metaworld` trains from so many demonstrations.

    Args:
        task: One of Meta-World's.
        demos: Demonstrations.
        method: `dbp` or `bc_mse`.
        seed: Of the demonstrations' goals and of the training.
        directory: Where demonstrations and policies are kept.
    """

    def data() -> Demonstrations:
        return record(MetaworldTask(task, seed), seed, demos, directory / RECORDED)

    run = directory / POLICIES / f"{task}_{demos}_{method}_{seed}"
    return _trained(run, replace(CONTENDERS[method].training(SHARED), seed=seed), data)


def control_start(name: str, method: str, seed: int, directory: Path) -> Checkpoint:
    """Return a policy that imitates data of medium quality.

    Args:
        name: Id of gymnasium.
        method: `dbp` or `bc_mse`.
        seed: Of the data and of the training.
        directory: Where data and policies are kept.
    """

    def data() -> Demonstrations:
        return medium_data(name, seed, directory / RECORDED)

    run = directory / POLICIES / f"{name}_{method}_{seed}"
    return _trained(run, replace(CONTENDERS[method].training(SHARED), seed=seed), data)


def _trained(run: Path, config: TrainConfig, data: Callable[[], Demonstrations]) -> Checkpoint:
    """Train once; several workers may do so at the same time, and make the same policy."""
    if not (run / CHECKPOINT).exists():
        trainer = Trainer(config, data())
        trainer.train()
        write_checkpoint(run, trainer.checkpoint())
    return read_checkpoint(run)
