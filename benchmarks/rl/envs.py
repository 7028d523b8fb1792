"""Where methods of online learning are compared."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from benchmarks.metaworld.demonstrations import RECORDED, record
from benchmarks.metaworld.training import SHARED
from benchmarks.methods import METHODS
from benchmarks.rl import obstacle
from benchmarks.rl.control import PATIENCE_S, medium_data
from dbp_ros.envs.env import CameraView
from dbp_ros.envs.local_vector_env import LocalVectorEnv
from dbp_ros.envs.metaworld import MetaworldTask
from dbp_ros.envs.registry import CELL, METAWORLD, EnvSpec
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.weak_policy import CAMERAS, FINETUNE, IMAGE_PX, STRIDE, WeakPolicy
from dbp_ros.files import locked
from dbp_ros.learning.checkpoint import Checkpoint, read_checkpoint
from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.trainer import Trainer
from dbp_ros.rl.config import FinetuneConfig
from dbp_ros.settings.robot import DUAL_UR5E_JOINTS
from dbp_ros.sim.control_loop import CONTROL_HZ
from dbp_ros.types import VectorEnv


@dataclass(frozen=True)
class RlEnv:
    """An environment, the policies that begin in it, and how long they learn.

    Attributes:
        name: Of the environment, in tables.
        open: Returns the environment, given `num_envs` and whether it is for evaluation.
        imitate: Returns a policy to begin with, by a method, a seed and a folder in which what
            is needed for it may be kept.
        config: What all methods have in common.
        updates: Of each run.
        eval_every: Updates between two judgements.
        episodes: In a judgement, side by side.
    """

    name: str
    open: Callable[[int, bool], VectorEnv]
    imitate: Callable[[str, int, Path], Checkpoint]
    config: FinetuneConfig
    updates: int
    eval_every: int
    episodes: int

    @property
    def judgements(self) -> int:
        """Rows of a run."""
        return 1 + self.updates // self.eval_every


METAWORLD_TASKS = ("push", "pick-place", "assembly", "peg-insert-side")
CONTROL_TASKS = ("Hopper-v5", "Walker2d-v5")

# An update takes 16 x 64 decisions of 4 steps at most: 48 of them are less than 200,000 steps.
SPARSE = FinetuneConfig(
    gamma=0.995,
    sigma=0.25,
    sigma_high=0.6,
    kl_target=0.1,
    actor_learning_rate=2e-4,
    critic_warm_up=2,
    environments=16,
    decisions=64,
    # About 35 episodes are over between two updates: halves of them are no fewer than can tell.
    minibatch=512,
    replay_ratio=8.0,
)
# What was imitated is mediocre, so there is little to hold on to, and what its latents keep apart
# is the noise that it was recorded with; a run takes 295,000 steps.
CONTROL = FinetuneConfig(
    gamma=0.995,
    latent_time_constant_s=0.0,
    latent_anneal_versions=24,
    actor_learning_rate=2e-4,
    anchor_weight=0.01,
    epochs=10,
    environments=8,
    decisions=128,
    minibatch=128,
)

# The weak policy of `dbp demo-learn`, and how it learns there, without the robot.
WEAK = WeakPolicy()
REACHING = f"cell-{WEAK.task}"
LEARNED = FinetuneConfig(**FINETUNE, environments=10, decisions=20)


def open_cell(num_envs: int, evaluation: bool) -> VectorEnv:
    """Return cells of the weak policy's task in this process, as it sees them."""
    step_s = STRIDE / CONTROL_HZ
    view = CameraView(DUAL_UR5E_JOINTS, dict.fromkeys(CAMERAS, (IMAGE_PX, IMAGE_PX)), step_s)
    return LocalVectorEnv(EnvSpec(f"{CELL}{WEAK.task}", evaluation, view), num_envs)


def imitate_in_cell(method: str, seed: int, folder: Path) -> Checkpoint:
    """Return a weak policy that sees; who comes meanwhile waits for it."""
    run = folder / f"{REACHING}_weak_{method}_{seed}"
    with locked(folder / f".{REACHING}.lock", PATIENCE_S):
        replace(WEAK, method=method, seed=seed).train(folder / REACHING, run, lambda _: None)
    return read_checkpoint(run)


def open_env(name: str, num_envs: int, evaluation: bool) -> VectorEnv:
    """Return a vector environment in this process."""
    return LocalVectorEnv(EnvSpec(name, evaluation), num_envs)


def imitate_obstacle(method: str, seed: int, folder: Path) -> Checkpoint:
    """Return a policy for the toy; its demonstrations are made in no time."""
    del folder
    return obstacle.imitate(method, seed)


def imitate_metaworld(task: str, demos: int, method: str, seed: int, folder: Path) -> Checkpoint:
    """Return what `dbp bench metaworld` trains from so many demonstrations."""
    shown = record(MetaworldTask(task, seed), seed, demos, folder / RECORDED)
    return imitate(shown, method, seed)


def imitate_control(name: str, method: str, seed: int, folder: Path) -> Checkpoint:
    """Return a policy that imitates data of medium quality."""
    return imitate(medium_data(name, seed, folder / RECORDED), method, seed)


def imitate(data: Demonstrations, method: str, seed: int) -> Checkpoint:
    """Train a policy by a method of `METHODS`, with the settings of Meta-World."""
    trainer = Trainer(replace(METHODS[method].training_config(SHARED), seed=seed), data)
    trainer.train()
    return trainer.checkpoint()


OBSTACLE = RlEnv(
    name="obstacle",
    open=obstacle.open_environment,
    imitate=imitate_obstacle,
    config=FinetuneConfig(
        environments=256,
        minibatch=2048,
        critic_widths=(64, 64),
        latent_time_constant_s=0.0,
        sigma=0.2,
        sigma_high=0.5,
        actor_learning_rate=3e-4,
        replay_ratio=2.0,
    ),
    updates=180,
    eval_every=10,
    episodes=400,
)


def metaworld(task: str, demos: int) -> RlEnv:
    """Return a task of Meta-World; it is judged on goals that are neither shown nor practised."""
    return RlEnv(
        name=f"{task}_{demos}",
        open=partial(open_env, METAWORLD + task),
        imitate=partial(imitate_metaworld, task, demos),
        config=SPARSE,
        updates=48,
        eval_every=12,
        episodes=25,
    )


def control(name: str) -> RlEnv:
    """Return a task of gymnasium."""
    return RlEnv(
        name=name,
        open=partial(open_env, name),
        imitate=partial(imitate_control, name),
        config=CONTROL,
        updates=72,
        eval_every=12,
        episodes=20,
    )


REACH = RlEnv(
    name=REACHING,
    open=open_cell,
    imitate=imitate_in_cell,
    config=LEARNED,
    updates=50,
    eval_every=10,
    episodes=40,
)

SMOKE = (OBSTACLE,)
DEMONSTRATED = tuple(metaworld(task, 5) for task in METAWORLD_TASKS)
# Five demonstrations leave too little to be learned, one leaves too little that is rewarded.
SCARCE = tuple(metaworld(task, 2) for task in METAWORLD_TASKS)
MOVING = tuple(map(control, CONTROL_TASKS))

SUITES = MappingProxyType(
    {
        "smoke": SMOKE,
        "standard": (*DEMONSTRATED, *MOVING),
        "metaworld": DEMONSTRATED,
        "scarce": SCARCE,
        "control": MOVING,
        "cell": (REACH,),
    }
)


def select_envs(suite: str, names: str) -> list[RlEnv]:
    """Return envs of a suite by their names, separated by commas; all where there are none.

    Raises:
        ConfigError: If the suite has none by a name, with those that it has.
    """
    known = {env.name: env for env in SUITES[suite]}
    wanted = [name.strip() for name in names.split(",") if name.strip()] or list(known)
    for name in wanted:
        if name not in known:
            raise ConfigError(
                f"suite '{suite}' has no environment '{name}': use some of {', '.join(known)}"
            )
    return [known[name] for name in wanted]
