"""Settings of imitation learning."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from dbp_ros.drift.fields import WIDE_TEMPERATURES
from dbp_ros.errors import ConfigError
from dbp_ros.settings.effect import require_effect
from dbp_ros.settings.fields import Settings, setting

# Methods that repel the samples of an observation from each other.
DriftingName = Literal["dbp", "dbp_published", "joint_sinkhorn", "sinkhorn", "energy"]
MethodName = Literal[DriftingName, "bc_mse", "ddim", "flow", "meanflow", "consistency"]
DRIFTING, METHODS = get_args(DriftingName), get_args(MethodName)
# Settings of some methods only.
USED_BY: Mapping[str, tuple[MethodName, ...]] = {
    "neighbours": ("dbp", "sinkhorn"),
    "neighbour_bandwidth": ("dbp", "sinkhorn"),
    "temperatures": ("dbp",),
    "initial_temperature_scale": ("dbp",),
    "latent_dct_modes": ("dbp", "energy", "sinkhorn", "joint_sinkhorn"),
}


@dataclass(frozen=True)
class TrainConfig(Settings):
    """Settings of imitation learning; every field is a flag of `dbp train`.

    Raises:
        ConfigError: If a value is out of range, or values contradict each other.
    """

    method: MethodName = setting("dbp", "training method")
    num_inference_steps: int = setting(
        1, "forward passes per chunk; more than 1 for ddim and flow only", ge=1
    )
    num_steps: int = setting(7_000, "optimizer steps", ge=1)
    batch_size: int = setting(64, "observations per optimizer step", ge=1)
    gradient_accumulation_steps: int = setting(
        1, "parts of a batch, which save memory; the target does not change", ge=1
    )
    num_samples: int = setting(8, "chunks or noise samples per observation", ge=1)
    temperatures: tuple[float, ...] = setting(
        WIDE_TEMPERATURES, "final kernel widths of the drift, in mean distances", ge=1e-3
    )
    initial_temperature_scale: float = setting(
        5.0, "initial scale of the kernel widths, annealed to 1 until half of the steps", ge=1.0
    )
    neighbours: int = setting(
        0,
        "dbp and sinkhorn: nearest observations of other episodes whose chunks are additional "
        "targets; 0 for none",
        ge=0,
    )
    neighbour_bandwidth: float = setting(
        1.0, "bandwidth of the neighbours, in median distances to the nearest", ge=1e-3
    )
    horizon: int = setting(8, "points of an action chunk", ge=1)
    n_obs_steps: int = setting(1, "observations of the history", ge=1)
    latent_dct_modes: int = setting(
        1, "lowest DCT modes of the latent of dbp, at most the horizon; 0 for all", ge=0
    )
    num_components: int = setting(
        1, "one-step methods: components of the noise, an input of the head; 1 for none", ge=1
    )
    head: Literal["residual", "unet"] = setting("residual", "network head")
    width: int = setting(512, "residual head: width of the shared part", ge=8)
    branch_width: int = setting(256, "residual head: width of the part per latent", ge=8)
    depth: int = setting(2, "residual head: blocks of each part", ge=1)
    unet_widths: tuple[int, ...] = setting(
        (64, 128, 256), "U-Net head: channels of each level; 512 1024 2048 in the paper", ge=8
    )
    encoder: Literal["keypoints", "resnet"] = setting("keypoints", "encoder of the cameras")
    channels: tuple[int, ...] = setting(
        (16, 32, 48, 48), "keypoint encoder: channels of its four convolutions", ge=8
    )
    keypoints: int = setting(32, "keypoint encoder: number of keypoints", ge=1)
    resnet_width: float = setting(
        0.5, "ResNet-18 encoder: channels, relative to the published ones", ge=0.1, le=2.0
    )
    features: int = setting(128, "features of a ResNet-18 or point cloud encoder", ge=1)
    crop: float = setting(
        1.0, "share of the image sides: random crop in training, else centre", ge=0.5, le=1.0
    )
    learning_rate: float = setting(1e-3, "largest learning rate", ge=0.0)
    warmup_steps: int = setting(200, "optimizer steps of the learning rate warm-up", ge=0)
    weight_decay: float = setting(1e-4, "decoupled weight decay", ge=0.0)
    max_grad_norm: float = setting(1.0, "largest norm of the gradient", ge=0.0)
    ema_decay: float = setting(0.999, "largest EMA decay of the weights", ge=0.0, le=1.0)
    action_space: Literal["joint", "end_effector"] = setting(
        "joint",
        "space of the network's actions; with end_effector, poses of the hands, which inverse "
        "kinematics in the exported graph converts to joints; needs --robot",
    )
    relative_actions: bool = setting(
        True, "targets of arm joints, or of hands, relative to the measured ones"
    )
    position_noise_rad: float = setting(0.003, "noise on measured arm joints", ge=0.0)
    gripper_noise_m: float = setting(0.0005, "noise on measured grippers", ge=0.0)
    state_noise: float = setting(0.0, "noise on other states, relative to half their range", ge=0.0)
    policy_row_weight: float = setting(
        1.0,
        "sampling weight of rows in which a policy drove, relative to those of demonstrations; "
        "0 leaves them out, as HG-DAgger does",
        ge=0.0,
    )
    intervention_row_weight: float = setting(
        1.0, "sampling weight of rows in which a human drove in an episode of a policy", ge=0.0
    )
    late_frame_probability: float = setting(
        0.5, "probability of the image of the step before", ge=0.0, le=1.0
    )
    shift_px: int = setting(0, "largest random shift of an image [px]", ge=0)
    brightness: float = setting(0.15, "largest change of brightness, of the range", ge=0.0)
    contrast: float = setting(0.2, "largest change of contrast", ge=0.0, le=0.9)
    pixel_noise: float = setting(4.0, "noise on a pixel, of 255", ge=0.0)
    validation_fraction: float = setting(0.1, "share of episodes for validation", ge=0.0, le=0.9)
    validate_every: int = setting(500, "optimizer steps between validations", ge=1)
    checkpoint_every: int = setting(500, "optimizer steps between checkpoints", ge=1)
    smallest_range_rad: float = setting(
        0.05, "smallest range of an arm joint in the normalisation [rad]", ge=1e-6
    )
    smallest_range_m: float = setting(
        0.005, "smallest range of a gripper in the normalisation [m]", ge=1e-6
    )
    smallest_range: float = setting(
        0.01, "smallest range of any other column in the normalisation", ge=1e-6
    )
    allow_constant_actions: bool = setting(False, "accept data with a constant action")
    threads: int = setting(2, "CPU threads", ge=1)
    device: Literal["auto", "cpu", "cuda"] = setting("auto", "training device")
    bfloat16: bool = setting(
        False,
        "mixed precision of the encoders; on a CPU only with instructions for it",
    )
    seed: int = setting(0, "random seed", ge=0)

    def __post_init__(self) -> None:
        """Check each value, and values that depend on each other."""
        super().__post_init__()
        self._check_method()
        if len(self.channels) != 4 or any(width % 8 for width in self.channels):
            raise ConfigError(f"channels = {self.channels}: expected four multiples of 8")
        if self.batch_size % self.gradient_accumulation_steps:
            raise ConfigError(
                f"batch_size = {self.batch_size} is not a multiple of "
                f"gradient_accumulation_steps = {self.gradient_accumulation_steps}"
            )

    def require_effect(self, names: Collection[str] | None = None) -> None:
        """Check that no setting is without effect, as in a comparison with shared settings.

        Args:
            names: Settings to check, such as those of a command line; None for all.

        Raises:
            ConfigError: If the method does not use a setting, or needs more inference steps or
                neighbours.
        """
        if self.num_inference_steps == 1 and self.method == "ddim":
            raise ConfigError(
                "num_inference_steps = 1: ddim removes the noise in several steps: give 10 to 100"
            )
        if self.method == "sinkhorn" and not self.neighbours and names is None:
            raise ConfigError(
                "neighbours = 0: sinkhorn then learns the mean of the demonstrations: give some, "
                "such as 16, or use joint_sinkhorn"
            )
        require_effect(self, self.method, USED_BY, names)

    def _check_method(self) -> None:
        if self.latent_dct_modes > self.horizon:
            raise ConfigError(
                f"latent_dct_modes = {self.latent_dct_modes} is more than horizon = {self.horizon}"
            )
        if self.num_components > 1 and self.method not in DRIFTING:
            raise ConfigError(
                f"num_components = {self.num_components}: {self.method} has no one-step generator"
            )
        if self.num_inference_steps > 1 and self.method not in ("ddim", "flow"):
            raise ConfigError(
                f"num_inference_steps = {self.num_inference_steps}: {self.method} generates a "
                "chunk in one pass"
            )
        if self.method in DRIFTING and self.num_samples < 2:
            raise ConfigError(
                f"num_samples = {self.num_samples}: {self.method} repels samples of an observation "
                "from one another and needs at least 2, better 8"
            )
