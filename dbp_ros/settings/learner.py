"""Settings of the learner node."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dbp_ros.errors import ConfigError
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.finetune import FinetuneConfig
from dbp_ros.settings.policy import ImageTransportName, PolicyConfig

BagCompression = Literal["none", "lz4", "zstd"]
# File of a training run's weights.
CHECKPOINT = "checkpoint.safetensors"
# Folders in `out` of a learner: bags, exported versions, and its own state.
EPISODES, VERSIONS, STATE = "episodes", "versions", "learner"
# What learner and exploring policy wait for between episodes, with the remedy.
NEXT_EPISODE = "the next episode: dbp episode begin, or dbp episode new in simulation"

# Settings of `finetune` without effect on a robot, and the remedy.
WITHOUT_EFFECT = {
    "latent_time_constant_s": "set that of the policy",
    "version_lag": "set max_version_lag",
    "num_envs": "set join of the learner of each further robot",
    "decisions_per_env": "set decisions_per_update",
}


@dataclass(frozen=True)
class LearnerConfig(Settings):
    """Settings of the learner node, which records episodes and fine-tunes the policy.

    Raises:
        ConfigError: If a value is out of range, the versions of usable decisions do not stay, or a
            setting of the algorithm has no effect on a robot.
    """

    model: str = setting(PolicyConfig.model, "Initial model bundle of the policy")
    checkpoint: str = setting(
        "", "Folder of the training run of the model; empty to start from the weights of the model"
    )
    out: str = setting("runs/learner", "Folder of episodes, versions and the learner's state")
    join: str = setting(
        "", "Folder `out` of another robot's learner, which then learns from this robot, too"
    )
    task: str = setting("", "Name of the task, stored with each episode")
    time_limit_s: float = setting(30.0, "Largest duration of an episode; 0 for no limit", ge=0.0)
    decisions_per_update: int = setting(256, "Decisions per update of the policy", ge=1)
    max_version_lag: int = setting(
        1, "Versions by which the policy of a decision may be older than the learner's", ge=0
    )
    max_versions: int = setting(
        16, "Number of the newest policy versions that stay on the disk", ge=10
    )
    max_waiting_episodes: int = setting(
        16, "Queue length of a robot's episodes; older ones are skipped and counted", ge=1
    )
    max_bags_mb: float = setting(
        20_000.0,
        "Largest total size of a robot's episodes [MB]; the oldest are deleted, except for those "
        "that may wait; 0 for no limit",
        ge=0.0,
    )
    max_bag_age_h: float = setting(
        0.0, "Age at which an episode is deleted [h]; 0 for never", ge=0.0
    )
    bag_compression: BagCompression = setting(
        "none", "Lossless compression of the episodes; costs CPU time"
    )
    finetune: FinetuneConfig = setting(FinetuneConfig(), "Settings of the algorithm")
    share_path: bool = setting(True, "Let a policy on this machine read the folder of a version")
    image_transport: ImageTransportName = setting("raw", "Image transport of the policy")
    learner_niceness: int = setting(10, "Niceness of the learner worker", ge=0, le=19)
    learner_cpu_affinity: tuple[int, ...] = setting(
        (), "Cores of the learner worker; empty for the plan of runtime/cpu_affinity.py", ge=0
    )

    def __post_init__(self) -> None:
        """Check each value, and values that depend on each other."""
        super().__post_init__()
        for name in ("checkpoint", "out", "join"):
            if folder := getattr(self, name):
                object.__setattr__(self, name, str(Path(folder).expanduser()))
        if self.max_version_lag >= self.max_versions:
            raise ConfigError(
                f"max_version_lag = {self.max_version_lag}: the likelihoods of such decisions need "
                f"their versions, and max_versions = {self.max_versions}"
            )
        for name, remedy in WITHOUT_EFFECT.items():
            if (value := getattr(self.finetune, name)) != getattr(FinetuneConfig, name):
                raise ConfigError(f"finetune.{name} = {value} has no effect on a robot: {remedy}")
