"""Settings of the policy node and of the model sender."""

from dataclasses import dataclass
from typing import Literal

from dbp_ros.settings.controllers import RobotConfig
from dbp_ros.settings.dual_ur5e import DUAL_UR5E
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.process import RealtimeConfig, SimClockConfig
from dbp_ros.settings.swap import SwapConfig

# Default control rate of exported bundles, and of the benchmarks.
DECISION_RATE_HZ = 125.0
ImageTransportName = Literal["raw", "compressed"]
ExecutionProvider = Literal["cpu", "cuda", "tensorrt"]


@dataclass(frozen=True)
class PolicyConfig(RobotConfig, SwapConfig, RealtimeConfig, SimClockConfig):
    """Settings of the policy node."""

    realtime_priority: int = setting(
        40, "SCHED_FIFO priority of the decision loop, 0 for none", ge=0, le=99
    )
    model: str = setting("lift", "Model bundle: a folder, or a name under models/")
    joints: tuple[str, ...] = setting(DUAL_UR5E.joints, "Joints of the robot")
    decision_rate_hz: float = setting(
        0.0,
        "Smallest number of decisions per second; 0 for control_rate_hz of the model's manifest",
        ge=0.0,
        le=1000.0,
    )
    earliest_decision: float = setting(
        0.25,
        "Share of the decision period after which a new image triggers a decision; 1 for a fixed "
        "period",
        ge=0.0,
        le=1.0,
    )
    image_transport: ImageTransportName = setting(
        "raw", "Topics of the images: image_raw, or image_raw/compressed"
    )
    image_max_age_s: float = setting(0.2, "Largest age of an image", ge=0.001, le=10.0)
    joint_state_max_age_s: float = setting(0.1, "Largest age of joint states", ge=0.001, le=10.0)
    image_frozen_after_s: float = setting(
        0.5,
        "Time without a change of an image, while the arms move, after which it is frozen",
        ge=0.01,
        le=60.0,
    )
    image_frozen_motion: float = setting(
        0.2, "Motion of a joint after which an image must change [rad, m]", ge=1e-4
    )
    image_frozen_retry_s: float = setting(
        30.0,
        "Longest rest of the arms before a frozen image is used again; the rest is "
        "image_frozen_after_s at first, and doubles with each retry",
        ge=0.01,
        le=3600.0,
    )
    camera_joints: tuple[str, ...] = setting(
        DUAL_UR5E.camera_joints,
        "Joints whose motion must change a camera's image, each as camera=joint,joint; * matches "
        "any letters, ! excludes joints, and camera=off disables the check. A camera without an "
        "item may have a static view",
    )
    latent_seed: int = setting(-1, "Seed of the latent of each episode; -1 for a random one", ge=-1)
    latent_time_constant_s: float = setting(
        0.2, "Time constant of the latent; 0 holds it for an episode", ge=0.0
    )
    explore: bool = setting(False, "Sample chunks from the distribution of a stochastic model")
    n_action_steps: int = setting(4, "Executed points per decision while exploring", ge=1)
    execution_provider: ExecutionProvider = setting("cpu", "ONNX Runtime execution provider")
    intra_op_threads: int = setting(1, "Threads of one inference", ge=1, le=64)
    autostart: bool = setting(True, "Configure and activate at the start")


@dataclass(frozen=True)
class ModelSenderConfig(Settings):
    """Settings of the model sender, which offers one model to robots."""

    model: str = setting(PolicyConfig.model, "Model bundle: a folder, or a name under models/")
    share_path: bool = setting(True, "Let receivers on this machine read the bundle's folder")
