"""Every setting of the stack and its default, once.

A dataclass here is a node's parameters: the field's name is the parameter's name, its metadata
are the descriptor, and `config/*.yaml` may only hold keys that are fields. Nothing else in the
project has defaults of its own. The defaults describe the dual UR5e cell that we simulate.
"""

from dataclasses import dataclass, field, fields
from itertools import accumulate
from typing import Any

from dbp_ros.errors import ConfigError

SIDES = ("left", "right")
ARM_JOINTS = (
    "shoulder_pan_joint",
    "shoulder_lift_joint",
    "elbow_joint",
    "wrist_1_joint",
    "wrist_2_joint",
    "wrist_3_joint",
)
DUAL_UR5E_JOINTS = tuple(
    f"{side}_{joint}" for side in SIDES for joint in (*ARM_JOINTS, "gripper_joint")
)
CAMERAS = ("head_camera", "left_wrist_camera", "right_wrist_camera")
# File of a training run's weights.
CHECKPOINT = "checkpoint.safetensors"
# What settings may name. Tests compare them with what there is.
TASKS = ("reach", "lift", "can", "transport")
CAMERA_BACKENDS = ("auto", "egl", "osmesa", "raycast")
IMAGE_TRANSPORTS = ("raw", "compressed")
EXECUTION_PROVIDERS = ("cpu", "cuda", "tensorrt")


def setting(
    default: Any,
    doc: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Return a dataclass field with a description, and a closed range or the values allowed."""
    known = {"doc": doc, "minimum": minimum, "maximum": maximum, "choices": choices}
    return field(default=default, metadata=known)


def bounds(low: float | None, high: float | None) -> str:
    """Return a closed range in words; empty where there is none."""
    if low is not None and high is not None:
        return f"from {low} to {high}"
    return f"at least {low}" if low is not None else f"at most {high}" if high is not None else ""


def check_ranges(config: Any) -> None:
    """Raise `ConfigError` where a settings dataclass has a value outside its range or choices."""
    for item in fields(config):
        low, high = item.metadata.get("minimum"), item.metadata.get("maximum")
        value, choices = getattr(config, item.name), item.metadata.get("choices", ())
        if choices and value not in choices:
            raise ConfigError(f"{item.name} is {value!r}, expected one of {', '.join(choices)}")
        for number in value if isinstance(value, tuple) else (value,):
            if (low is not None and not number >= low) or (high is not None and not number <= high):
                raise ConfigError(
                    f"{item.name} = {number}, expected {bounds(low, high)}: {item.metadata['doc']}"
                )


def check_at_least(least: float, **numbers: float) -> None:
    """Raise `ConfigError` for a flag of a command line whose number is too small."""
    for name, number in numbers.items():
        if not number >= least:
            flag = name.replace("_", "-")
            raise ConfigError(f"--{flag} {number}, expected at least {least:g}")


def both_arms(arm: tuple[float, ...], gripper: float) -> tuple[float, ...]:
    """Return one value per joint of the dual UR5e, given those of one arm and one gripper."""
    return (*arm, gripper, *arm, gripper)


# What a bundle is made for where nobody said otherwise, and what the stack is measured at.
DECISION_RATE_HZ = 125.0
PI = 3.141592653589793
# Seconds of simulation time in one second.
SLOWEST, FASTEST = 0.05, 50.0


@dataclass(frozen=True)
class RealtimeConfig:
    """How a process asks the operating system for punctuality."""

    realtime_priority: int = setting(
        0, "SCHED_FIFO priority of the loop, 0 for none; keep below 50", minimum=0, maximum=99
    )
    lock_memory: bool = setting(True, "Lock the process in memory where that is allowed")
    cpu_affinity: tuple[int, ...] = setting(
        (), "Cores to run on; empty for the plan of runtime/cpu_affinity.py", minimum=0
    )


@dataclass(frozen=True)
class SimClockConfig:
    """Real-time factor of a simulation; see `dbp_ros.runtime.sim_clock`."""

    real_time_factor: float = setting(
        1.0,
        "Seconds of simulation time per second of wall time; 1 for a real robot",
        minimum=SLOWEST,
        maximum=FASTEST,
    )


@dataclass(frozen=True)
class ControllersConfig:
    """Which joints there are, and which controllers command them."""

    joints: tuple[str, ...] = setting(DUAL_UR5E_JOINTS, "Joints to command")
    controllers: tuple[str, ...] = setting(
        (
            "left_forward_position_controller",
            "left_gripper_controller",
            "right_forward_position_controller",
            "right_gripper_controller",
        ),
        "Controllers to command, each on <controller>/commands",
    )
    controller_sizes: tuple[int, ...] = setting(
        (6, 1, 6, 1), "How many joints each controller takes, in the order of `joints`", minimum=1
    )

    def controller_slices(self) -> list[slice]:
        """Return which part of a command goes to each controller.

        Raises:
            ConfigError: If the sizes do not add up to the joints.
        """
        sizes = self.controller_sizes
        if len(sizes) != len(self.controllers) or sum(sizes) != len(self.joints):
            raise ConfigError(
                f"controller_sizes {sizes} for {len(self.controllers)} controllers add up to "
                f"{sum(sizes)}, expected one size a controller and {len(self.joints)} joints in sum"
            )
        ends = accumulate(sizes)
        return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]


# Grippers open, pointing down next to the zone that both arms reach.
DUAL_UR5E_HOME = (
    *(-0.439, -1.743, 2.045, -1.873, -1.571, -0.439, 0.085),
    *(-0.202, -1.743, 2.045, -1.873, -1.571, -0.202, 0.085),
)


@dataclass(frozen=True)
class HomeConfig:
    """The start pose of the arms; `dbp home` reads it from the guard."""

    home_positions: tuple[float, ...] = setting(
        DUAL_UR5E_HOME, "Start pose of each joint, for `dbp home` [rad, m]"
    )
    home_speed: float = setting(
        0.2,
        "Share of velocity_limit and acceleration_limit with which `dbp home` moves",
        minimum=0.01,
        maximum=1.0,
    )


@dataclass(frozen=True)
class GuardConfig(ControllersConfig, HomeConfig, RealtimeConfig, SimClockConfig):
    """The guard: the process that alone commands the arms."""

    realtime_priority: int = setting(
        45, "SCHED_FIFO priority of the loop, 0 for none; keep below 50", minimum=0, maximum=99
    )
    position_lower: tuple[float, ...] = setting(
        both_arms((-2 * PI, -2 * PI, -PI, -2 * PI, -2 * PI, -2 * PI), 0.0),
        "Lowest command of each joint [rad, m]",
    )
    position_upper: tuple[float, ...] = setting(
        both_arms((2 * PI, 2 * PI, PI, 2 * PI, 2 * PI, 2 * PI), 0.085),
        "Highest command of each joint [rad, m]",
    )
    velocity_limit: tuple[float, ...] = setting(
        both_arms((2.0, 2.0, 2.0, 2.5, 2.5, 2.5), 0.2),
        "Highest commanded speed of each joint [rad/s, m/s]",
        minimum=1e-6,
    )
    acceleration_limit: tuple[float, ...] = setting(
        both_arms((12.0,) * 6, 2.0),
        "Highest commanded acceleration of each joint [rad/s^2, m/s^2]",
        minimum=1e-6,
    )
    tracking_error_limit: tuple[float, ...] = setting(
        both_arms((0.25,) * 6, 0.07),
        "Distance of command and measurement that latches a stop; for a gripper more than the "
        "width of what it holds, and less than its stroke [rad, m]",
        minimum=1e-6,
    )
    reanchor_share: float = setting(
        0.1,
        "Share of tracking_error_limit by which a joint that is held may leave its command before "
        "the command follows it",
        minimum=0.01,
        maximum=1.0,
    )
    gripper_joints: tuple[str, ...] = setting(
        tuple(joint for joint in DUAL_UR5E_JOINTS if "gripper" in joint),
        "Joints that an object may keep away from their command",
    )
    position_margin: float = setting(
        0.25,
        "Share of a joint's range, at least 0.25 rad or m, by which a chunk may exceed its limits; "
        "a chunk beyond that is refused",
        minimum=0.0,
    )
    rest_speed: float = setting(
        0.1,
        "Share of velocity_limit at which the arms count as moving, and control is not enabled",
        minimum=1e-3,
    )
    command_rate_hz: float = setting(500.0, "Commands a second", minimum=10.0, maximum=1000.0)
    chunk_timeout_s: float = setting(
        0.1, "Without a fresh chunk for this long the arms come to rest", minimum=0.01, maximum=5.0
    )
    joint_state_timeout_s: float = setting(
        0.1, "Without joint states for this long the arms come to rest", minimum=0.01, maximum=5.0
    )
    joint_state_loss_s: float = setting(
        1.0,
        "Without joint states for this long the enabling is withdrawn; after a shorter gap the "
        "guard goes on by itself",
        minimum=0.01,
        maximum=60.0,
    )
    enable_control: bool = setting(
        False, "Command the arms from the start; otherwise call ~/enable_control"
    )


@dataclass(frozen=True)
class SwapConfig:
    """How a model takes the place of another while the robot moves, and when it loses it again."""

    watch_model: bool = setting(True, "Take over a new model that is put into the model's folder")
    received_models: str = setting(
        "", "Folder of models received over the network; empty for .received beside the model"
    )
    kept_models: str = setting(
        "", "Folder of the last good models, for a restart; empty for .history beside the model"
    )
    kept_models_count: int = setting(
        3, "How many of the last good models are kept, 0 for none", minimum=0, maximum=100
    )
    kept_models_mb: float = setting(
        2000.0, "Size of the kept models together, at most [MB]", minimum=1.0
    )
    shadow_decisions: int = setting(
        50, "Decisions that a new model makes without effect before it commands", minimum=1
    )
    shadow_max_first_step: float = setting(
        0.5,
        "How far from the measured position a new model's next command may be [rad, m]",
        minimum=1e-6,
    )
    shadow_timeout_s: float = setting(
        10.0, "A new model that finds nothing to observe for this long is put off", minimum=0.1
    )
    inference_budget: float = setting(
        0.75, "Share of a decision's period that its inference may take", minimum=0.01
    )
    canary_s: float = setting(
        60.0,
        "A new model is watched for this long at least; limited commands are compared over half",
        minimum=1.0,
        maximum=86400.0,
    )
    max_limited_increase: float = setting(
        0.2,
        "Rise in the share of limited commands that brings back the model before",
        minimum=0.0,
    )
    success_window: int = setting(
        10, "Episodes over which the success of two models is compared", minimum=1
    )
    rollback_p_value: float = setting(
        0.01,
        "Chance of so few solved episodes under equal models, below which the one before returns",
        minimum=0.0,
        maximum=1.0,
    )


@dataclass(frozen=True)
class PolicyConfig(SwapConfig, RealtimeConfig, SimClockConfig):
    """The policy node: from camera and joint topics to chunks of actions."""

    realtime_priority: int = setting(
        40, "SCHED_FIFO priority of the decision loop, 0 for none", minimum=0, maximum=99
    )
    model: str = setting("lift_int8", "Model bundle: a folder, or a name under models/")
    joints: tuple[str, ...] = setting(DUAL_UR5E_JOINTS, "Joints of the robot")
    decision_rate_hz: float = setting(
        0.0,
        "Decisions a second at least; 0 for the control_rate_hz of the model's manifest",
        minimum=0.0,
        maximum=1000.0,
    )
    earliest_decision: float = setting(
        0.25,
        "Share of a decision's period after which a new image may start the next one; 1 for the "
        "clock alone",
        minimum=0.0,
        maximum=1.0,
    )
    image_transport: str = setting(
        "raw",
        "How images come: raw (image_raw) or compressed (image_raw/compressed, JPEG or PNG)",
        choices=IMAGE_TRANSPORTS,
    )
    image_max_age_s: float = setting(0.2, "An older image is refused", minimum=0.001, maximum=10.0)
    joint_state_max_age_s: float = setting(
        0.1, "Older joint states are refused", minimum=0.001, maximum=10.0
    )
    image_frozen_after_s: float = setting(
        0.5,
        "An image that does not change for this long while the arms move is refused as frozen",
        minimum=0.01,
        maximum=60.0,
    )
    image_frozen_motion: float = setting(
        0.2, "How far a joint must move for an unchanged image to count [rad, m]", minimum=1e-4
    )
    image_frozen_retry_s: float = setting(
        30.0,
        "Longest rest of the arms after which a frozen image is used again, for a try; the first "
        "is image_frozen_after_s, each further one twice as long",
        minimum=0.01,
        maximum=3600.0,
    )
    camera_joints: tuple[str, ...] = setting(
        ("left_wrist*=left_*,!*gripper*", "right_wrist*=right_*,!*gripper*"),
        "Joints whose motion must change a camera's image, each as camera=joint,joint; * stands "
        "for any letters, ! leaves joints out, and camera=off turns the check off. A camera that "
        "is not listed may see a still scene",
    )
    latent_seed: int = setting(
        -1, "Seed of the latent of each episode; -1 draws a new one", minimum=-1
    )
    latent_time_constant_s: float = setting(
        0.2,
        "Time in which the latent forgets itself; 0 holds it through the episode",
        minimum=0.0,
    )
    explore: bool = setting(
        False, "Draw chunks from the law of a stochastic model, to learn from what comes of them"
    )
    n_action_steps: int = setting(
        4, "Points of a chunk that are played before the next decision, while exploring", minimum=1
    )
    execution_provider: str = setting(
        "cpu", "Where the model runs: cpu, cuda or tensorrt", choices=EXECUTION_PROVIDERS
    )
    intra_op_threads: int = setting(1, "Threads of one inference", minimum=1, maximum=64)
    autostart: bool = setting(True, "Configure and activate by itself when started")


@dataclass(frozen=True)
class ModelSenderConfig:
    """The model sender: a process that offers one model to robots."""

    model: str = setting(
        PolicyConfig.model, "Model bundle to announce: a folder, or a name under models/"
    )
    share_path: bool = setting(True, "Let receivers on this machine read the bundle's folder")


@dataclass(frozen=True)
class SimulationConfig(ControllersConfig, RealtimeConfig, SimClockConfig):
    """The simulated cell, seen through the topics of a real one."""

    lock_memory: bool = setting(False, "Lock the process in memory where that is allowed")
    task: str = setting("lift", "Task: reach, lift, can or transport", choices=TASKS)
    publish_clock: bool = setting(
        False, "Publish `/clock`; always published if `real_time_factor` is not 1"
    )
    seed: int = setting(
        100_000,
        "Seed of the first episode; each reset adds one. Demonstrations have those from 0",
        minimum=0,
    )
    joint_state_rate_hz: float = setting(
        250.0, "Joint states a second", minimum=10.0, maximum=500.0
    )
    camera_rate_hz: float = setting(30.0, "Pictures a second", minimum=1.0, maximum=120.0)
    image_height: int = setting(84, "Height of the pictures [px]", minimum=8, maximum=2160)
    image_width: int = setting(84, "Width of the pictures [px]", minimum=8, maximum=3840)
    render_height: int = setting(
        0,
        "Height that is drawn and then enlarged [px]; 0 for image_height",
        minimum=0,
        maximum=2160,
    )
    render_width: int = setting(
        0, "Width that is drawn and then enlarged [px]; 0 for image_width", minimum=0, maximum=3840
    )
    camera_backend: str = setting(
        "auto", "Renderer: auto, egl, osmesa or raycast", choices=CAMERA_BACKENDS
    )
    publisher_search_s: float = setting(
        1.0,
        "Duration of the search for another publisher of the joints at the start [s]",
        minimum=0.5,
        maximum=60.0,
    )


@dataclass(frozen=True)
class BagConfig:
    """The bag node: writes down what is said on the topics of the stack, for as long as it runs."""

    out: str = setting("runs/bags", "Folder of the bags")
    cameras: tuple[str, ...] = setting(CAMERAS, "Cameras to record")
    image_transport: str = setting(
        PolicyConfig.image_transport,
        "How images come, raw or compressed, as the policy's do",
        choices=IMAGE_TRANSPORTS,
    )
    bag_s: float = setting(60.0, "After this long a new bag is begun [s]", minimum=1.0)


@dataclass(frozen=True)
class LearnerConfig:
    """The learner node: records what an exploring policy does, and makes it better."""

    model: str = setting(PolicyConfig.model, "Model bundle that the policy began with")
    checkpoint: str = setting("", "Folder of the training run that the model was exported from")
    out: str = setting("runs/learner", "Folder of episodes, versions and the learner's state")
    task: str = setting("", "Name of the task, noted with each episode")
    time_limit_s: float = setting(
        30.0, "An episode that lasts longer is truncated; 0 for no limit", minimum=0.0
    )
    decisions_per_update: int = setting(
        256, "Decisions to learn from in one update of the policy", minimum=1
    )
    max_version_lag: int = setting(
        1, "Versions by which a decision's policy may be older than the learner's", minimum=0
    )
    max_waiting_episodes: int = setting(
        16, "Episodes that may wait for an update; older ones are skipped and counted", minimum=1
    )
    finetune: tuple[str, ...] = setting(
        (), "Other settings of the algorithm, each as name=value; see FinetuneConfig"
    )
    share_path: bool = setting(
        ModelSenderConfig.share_path, "Let a policy on this machine read the versions' folder"
    )
    image_transport: str = setting(
        PolicyConfig.image_transport,
        "How images come, raw or compressed, as the policy's do",
        choices=IMAGE_TRANSPORTS,
    )
    learner_niceness: int = setting(
        10, "How far the process that learns steps back, as in nice", minimum=0, maximum=19
    )
    learner_cpu_affinity: tuple[int, ...] = setting(
        (), "Cores of the process that learns; empty for those of placement.py", minimum=0
    )


def from_mapping(kind: type[Any], values: dict[str, Any]) -> Any:
    """Build a settings dataclass from plain values and check it.

    Args:
        kind: The dataclass.
        values: Settings by name; those absent keep their defaults.

    Raises:
        ConfigError: If a name is unknown or a number out of its range.
    """
    known = [item.name for item in fields(kind)]
    if unknown := sorted(set(values) - set(known)):
        raise ConfigError(
            f"{kind.__name__} has no {', '.join(unknown)}; its settings are {', '.join(known)}"
        )
    config = kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})
    check_ranges(config)
    return config
