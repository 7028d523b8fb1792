"""Settings of the learner node and of the bag node."""

from dataclasses import dataclass

from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.finetune import FinetuneConfig
from dbp_ros.settings.policy import ImageTransportName, ModelSenderConfig, PolicyConfig
from dbp_ros.settings.robot import CAMERAS

# File of a training run's weights.
CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class BagConfig(Settings):
    """The bag node: writes down what is said on the topics of the stack, for as long as it runs."""

    out: str = setting("runs/bags", "Folder of the bags")
    cameras: tuple[str, ...] = setting(CAMERAS, "Cameras to record")
    image_transport: ImageTransportName = setting(
        PolicyConfig.image_transport,
        "How images come, raw or compressed, as the policy's do",
    )
    bag_s: float = setting(60.0, "After this long a new bag is begun [s]", ge=1.0)


@dataclass(frozen=True)
class LearnerConfig(Settings):
    """The learner node: records what an exploring policy does, and makes it better."""

    model: str = setting(PolicyConfig.model, "Model bundle that the policy began with")
    checkpoint: str = setting("", "Folder of the training run that the model was exported from")
    out: str = setting("runs/learner", "Folder of episodes, versions and the learner's state")
    task: str = setting("", "Name of the task, noted with each episode")
    time_limit_s: float = setting(
        30.0, "An episode that lasts longer is truncated; 0 for no limit", ge=0.0
    )
    decisions_per_update: int = setting(
        256, "Decisions to learn from in one update of the policy", ge=1
    )
    max_version_lag: int = setting(
        1, "Versions by which a decision's policy may be older than the learner's", ge=0
    )
    max_waiting_episodes: int = setting(
        16, "Episodes that may wait for an update; older ones are skipped and counted", ge=1
    )
    finetune: FinetuneConfig = setting(FinetuneConfig(), "Settings of the algorithm")
    share_path: bool = setting(
        ModelSenderConfig.share_path, "Let a policy on this machine read the versions' folder"
    )
    image_transport: ImageTransportName = setting(
        PolicyConfig.image_transport,
        "How images come, raw or compressed, as the policy's do",
    )
    learner_niceness: int = setting(
        10, "How far the process that learns steps back, as in nice", ge=0, le=19
    )
    learner_cpu_affinity: tuple[int, ...] = setting(
        (), "Cores of the process that learns; empty for those of placement.py", ge=0
    )
