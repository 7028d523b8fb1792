"""Settings of the policy node and of the model sender."""

from dataclasses import dataclass
from typing import Literal

from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.process import RealtimeConfig, SimClockConfig
from dbp_ros.settings.robot import DUAL_UR5E_JOINTS
from dbp_ros.settings.swap import SwapConfig

# Control rate of a bundle unless its export sets another one; the benchmarks measure at it.
DECISION_RATE_HZ = 125.0
ImageTransportName = Literal["raw", "compressed"]
ExecutionProvider = Literal["cpu", "cuda", "tensorrt"]


@dataclass(frozen=True)
class PolicyConfig(SwapConfig, RealtimeConfig, SimClockConfig):
    """The policy node: from camera and joint topics to chunks of actions."""

    realtime_priority: int = setting(
        40, "SCHED_FIFO priority of the decision loop, 0 for none", ge=0, le=99
    )
    model: str = setting("lift_int8", "Model bundle: a folder, or a name under models/")
    joints: tuple[str, ...] = setting(DUAL_UR5E_JOINTS, "Joints of the robot")
    decision_rate_hz: float = setting(
        0.0,
        "Decisions a second at least; 0 for the control_rate_hz of the model's manifest",
        ge=0.0,
        le=1000.0,
    )
    earliest_decision: float = setting(
        0.25,
        "Share of a decision's period after which a new image may start the next one; 1 for the "
        "clock alone",
        ge=0.0,
        le=1.0,
    )
    image_transport: ImageTransportName = setting(
        "raw",
        "How images come: raw (image_raw) or compressed (image_raw/compressed, JPEG or PNG)",
    )
    image_max_age_s: float = setting(0.2, "An older image is refused", ge=0.001, le=10.0)
    joint_state_max_age_s: float = setting(0.1, "Older joint states are refused", ge=0.001, le=10.0)
    image_frozen_after_s: float = setting(
        0.5,
        "An image that does not change for this long while the arms move is refused as frozen",
        ge=0.01,
        le=60.0,
    )
    image_frozen_motion: float = setting(
        0.2, "How far a joint must move for an unchanged image to count [rad, m]", ge=1e-4
    )
    image_frozen_retry_s: float = setting(
        30.0,
        "Longest rest of the arms after which a frozen image is used again, for a try; the first "
        "is image_frozen_after_s, each further one twice as long",
        ge=0.01,
        le=3600.0,
    )
    camera_joints: tuple[str, ...] = setting(
        ("left_wrist*=left_*,!*gripper*", "right_wrist*=right_*,!*gripper*"),
        "Joints whose motion must change a camera's image, each as camera=joint,joint; * stands "
        "for any letters, ! leaves joints out, and camera=off turns the check off. A camera that "
        "is not listed may see a still scene",
    )
    latent_seed: int = setting(-1, "Seed of the latent of each episode; -1 draws a new one", ge=-1)
    latent_time_constant_s: float = setting(
        0.2,
        "Time in which the latent forgets itself; 0 holds it through the episode",
        ge=0.0,
    )
    explore: bool = setting(
        False, "Draw chunks from the law of a stochastic model, to learn from what comes of them"
    )
    n_action_steps: int = setting(
        4, "Points of a chunk that are played before the next decision, while exploring", ge=1
    )
    execution_provider: ExecutionProvider = setting(
        "cpu", "Where the model runs: cpu, cuda or tensorrt"
    )
    intra_op_threads: int = setting(1, "Threads of one inference", ge=1, le=64)
    autostart: bool = setting(True, "Configure and activate by itself when started")


@dataclass(frozen=True)
class ModelSenderConfig(Settings):
    """The model sender: a process that offers one model to robots."""

    model: str = setting(
        PolicyConfig.model, "Model bundle to announce: a folder, or a name under models/"
    )
    share_path: bool = setting(True, "Let receivers on this machine read the bundle's folder")
