"""Environments of `dbp bench rl` by suite.

Meta-World and the cell start from demonstrations and reward success alone. Gymnasium starts from
medium-quality data with its own rewards. The toy rewards progress and success.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from benchmarks.metaworld.demonstrations import RECORDED, record
from benchmarks.metaworld.training import SHARED
from benchmarks.methods import METHODS
from benchmarks.rl import obstacle
from benchmarks.rl.control import LOCK_TIMEOUT_S, medium_data
from dbp_ros.envs.env import CameraView
from dbp_ros.envs.local_vector_env import LocalVectorEnv
from dbp_ros.envs.metaworld_tasks import MetaworldTask
from dbp_ros.envs.registry import CELL, METAWORLD, EnvSpec
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.weak_policy import CAMERAS, FINETUNE, IMAGE_PX, STRIDE, WeakPolicy
from dbp_ros.files import locked
from dbp_ros.learning.checkpoint import Checkpoint, read_checkpoint
from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.trainer import Trainer
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS
from dbp_ros.settings.finetune import FinetuneConfig
from dbp_ros.sim.control_loop import CONTROL_HZ
from dbp_ros.types import VectorEnv


@dataclass(frozen=True)
class RlEnv:
    """An environment with its initial policies and the length of a run.

    Attributes:
        name: Name in tables.
        open: Returns the environment, given `num_envs` and whether it is for evaluation.
        imitate: Returns an initial policy, given the method, the seed and a folder for its data.
        config: Shared settings of all methods.
        updates: Updates of each run.
        eval_every: Updates between evaluations.
        episodes: Parallel episodes of an evaluation.
    """

    name: str
    open: Callable[[int, bool], VectorEnv]
    imitate: Callable[[str, int, Path], Checkpoint]
    config: FinetuneConfig
    updates: int
    eval_every: int
    episodes: int

    @property
    def num_evaluations(self) -> int:
        """Number of evaluations of a run, the initial one included."""
        return 1 + self.updates // self.eval_every


METAWORLD_TASKS = ("push", "pick-place", "assembly", "peg-insert-side")
CONTROL_TASKS = ("Hopper-v5", "Walker2d-v5")

# An update takes at most 16 x 64 decisions of 4 steps, so 48 updates are under 200,000 steps.
SPARSE = FinetuneConfig(
    gamma=0.995,
    init_noise_std=0.25,
    max_noise_std=0.6,
    target_kl=0.1,
    actor_learning_rate=2e-4,
    critic_warmup_updates=2,
    num_envs=16,
    decisions_per_env=64,
    # About 35 episodes end between two updates; smaller minibatches are too noisy.
    minibatch_size=512,
    replay_ratio=8.0,
)
# The initial policy is mediocre, so the anchor is weak, and its latent encodes only the noise
# of the recording. A run takes 295,000 steps.
CONTROL = FinetuneConfig(
    gamma=0.995,
    latent_time_constant_s=0.0,
    latent_anneal_versions=24,
    actor_learning_rate=2e-4,
    anchor_weight=0.01,
    num_learning_epochs=10,
    num_envs=8,
    decisions_per_env=128,
    minibatch_size=128,
)

# The weak policy of `dbp demo-learn` with its settings, without the stack.
WEAK = WeakPolicy()
REACH_NAME = f"cell-{WEAK.task}"
REACH_CONFIG = FinetuneConfig(**FINETUNE, num_envs=10, decisions_per_env=20)


def open_cell(num_envs: int, evaluation: bool) -> VectorEnv:
    """Return cells of the weak policy's task with its observations, in this process."""
    step_s = STRIDE / CONTROL_HZ
    view = CameraView(DUAL_UR5E_JOINTS, dict.fromkeys(CAMERAS, (IMAGE_PX, IMAGE_PX)), step_s)
    return LocalVectorEnv(EnvSpec(f"{CELL}{WEAK.task}", evaluation, view), num_envs)


def imitate_in_cell(method: str, seed: int, folder: Path) -> Checkpoint:
    """Return a weak image policy, trained once under a file lock."""
    run = folder / f"{REACH_NAME}_weak_{method}_{seed}"
    with locked(folder / f".{REACH_NAME}.lock", LOCK_TIMEOUT_S):
        replace(WEAK, method=method, seed=seed).train(folder / REACH_NAME, run, lambda _: None)
    return read_checkpoint(run)


def open_env(name: str, num_envs: int, evaluation: bool) -> VectorEnv:
    """Return a vector environment in this process."""
    return LocalVectorEnv(EnvSpec(name, evaluation), num_envs)


def imitate_obstacle(method: str, seed: int, folder: Path) -> Checkpoint:
    """Return an initial policy for the toy."""
    del folder
    return obstacle.imitate(method, seed)


def imitate_metaworld(task: str, demos: int, method: str, seed: int, folder: Path) -> Checkpoint:
    """Return a policy trained as in `dbp bench metaworld`."""
    data = record(MetaworldTask(task, seed), seed, demos, folder / RECORDED)
    return imitate(data, method, seed)


def imitate_control(name: str, method: str, seed: int, folder: Path) -> Checkpoint:
    """Return a policy trained on medium-quality data."""
    return imitate(medium_data(name, seed, folder / RECORDED), method, seed)


def imitate(data: Demonstrations, method: str, seed: int) -> Checkpoint:
    """Train a policy by a method of `METHODS`, with the settings of Meta-World."""
    trainer = Trainer(replace(METHODS[method].training_config(SHARED), seed=seed), data)
    trainer.train()
    return trainer.checkpoint()


OBSTACLE = RlEnv(
    name="obstacle",
    open=obstacle.open_obstacle,
    imitate=imitate_obstacle,
    config=FinetuneConfig(
        num_envs=256,
        minibatch_size=2048,
        critic_hidden_dims=(64, 64),
        latent_time_constant_s=0.0,
        init_noise_std=0.2,
        max_noise_std=0.5,
        actor_learning_rate=3e-4,
        replay_ratio=2.0,
    ),
    updates=180,
    eval_every=10,
    episodes=400,
)


def metaworld(task: str, demos: int) -> RlEnv:
    """Return a Meta-World task; evaluation uses held-out goals."""
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
    """Return a Gymnasium task."""
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
    name=REACH_NAME,
    open=open_cell,
    imitate=imitate_in_cell,
    config=REACH_CONFIG,
    updates=50,
    eval_every=10,
    episodes=40,
)

SMOKE = (OBSTACLE,)
FIVE_DEMOS = tuple(metaworld(task, 5) for task in METAWORLD_TASKS)
# With five demonstrations there is little left to learn, with one there is too little reward.
TWO_DEMOS = tuple(metaworld(task, 2) for task in METAWORLD_TASKS)
LOCOMOTION = tuple(map(control, CONTROL_TASKS))

SUITES = MappingProxyType(
    {
        "smoke": SMOKE,
        "standard": (*FIVE_DEMOS, *LOCOMOTION),
        "metaworld": FIVE_DEMOS,
        "scarce": TWO_DEMOS,
        "control": LOCOMOTION,
        "cell": (REACH,),
    }
)


def select_envs(suite: str, names: str) -> list[RlEnv]:
    """Return environments of a suite by comma-separated names; all if empty.

    Raises:
        ConfigError: If the suite has no such environment.
    """
    known = {env.name: env for env in SUITES[suite]}
    wanted = [name.strip() for name in names.split(",") if name.strip()] or list(known)
    for name in wanted:
        if name not in known:
            raise ConfigError(
                f"suite '{suite}' has no environment '{name}': use some of {', '.join(known)}"
            )
    return [known[name] for name in wanted]
