"""The settings of imitation learning and their defaults."""

from dataclasses import dataclass

from dbp_ros.drift.fields import WIDE_TEMPERATURES
from dbp_ros.errors import ConfigError
from dbp_ros.settings.fields import Settings, setting

ONE_STEP = ("dbp", "dbp_authors", "joint_sinkhorn", "sinkhorn", "energy", "bc_mse")
METHODS = (*ONE_STEP, "ddim", "flow", "meanflow", "consistency")
HEADS = ("residual", "unet")
ENCODERS = ("keypoints", "resnet")
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class TrainConfig(Settings):
    """How a policy is trained from a data set; every field is a flag of `dbp train`.

    Raises:
        ConfigError: If a number is out of range or a name is unknown.
    """

    method: str = setting("dbp", f"how chunks are made and learned: one of {', '.join(METHODS)}")
    num_inference_steps: int = setting(
        1, "passes for one chunk at deployment; more than 1 for ddim and flow only", ge=1
    )
    num_steps: int = setting(7_000, "optimiser steps in all", ge=1)
    batch_size: int = setting(64, "observations in an update", ge=1)
    gradient_accumulation_steps: int = setting(
        1, "parts that an update is computed in, to save memory; the target stays", ge=1
    )
    num_samples: int = setting(8, "chunks or noise draws for each observation", ge=1)
    temperatures: tuple[float, ...] = setting(
        WIDE_TEMPERATURES, "kernel widths of the drift at the end, in mean distances", ge=1e-3
    )
    initial_temperature_scale: float = setting(
        5.0,
        "how much wider the kernels are at the start, narrowing until half way; 1 for no change",
        ge=1.0,
    )
    neighbours: int = setting(
        0, "nearest rows of other episodes whose chunks are positives too", ge=0
    )
    neighbour_bandwidth: float = setting(
        1.0, "how far a neighbour counts, in median distances to the nearest", ge=1e-3
    )
    horizon: int = setting(8, "points in an action chunk", ge=1)
    n_obs_steps: int = setting(1, "observations that the policy takes", ge=1)
    latent_dct_modes: int = setting(
        1, "slowest waves of the latent that dbp uses, at most the horizon; 0 for all", ge=0
    )
    num_components: int = setting(
        1, "one-step methods: components of the noise, an input of the head; 1 for none", ge=1
    )
    head: str = setting("residual", f"one of {', '.join(HEADS)}")
    width: int = setting(512, "residual head: width of the part that runs once", ge=8)
    branch_width: int = setting(
        256, "residual head: width of the part that runs for each latent", ge=8
    )
    depth: int = setting(2, "residual head: blocks in each part", ge=1)
    unet_widths: tuple[int, ...] = setting(
        (64, 128, 256), "U-Net head: channels of each level; the paper has 512 1024 2048", ge=8
    )
    encoder: str = setting("keypoints", f"of cameras, one of {', '.join(ENCODERS)}")
    channels: tuple[int, ...] = setting(
        (16, 32, 48, 48), "keypoint encoder: channels of its four convolutions", ge=8
    )
    keypoints: int = setting(32, "keypoint encoder: points of interest it looks for", ge=1)
    resnet_width: float = setting(
        0.5, "ResNet-18 encoder: channels, of the published", ge=0.1, le=2.0
    )
    features: int = setting(128, "features of a ResNet-18 or point cloud encoder", ge=1)
    crop: float = setting(
        1.0,
        "fraction of an image's sides that remains: at random, centred when deployed",
        ge=0.5,
        le=1.0,
    )
    learning_rate: float = setting(1e-3, "largest learning rate", ge=0.0)
    warmup_steps: int = setting(200, "updates until the learning rate is largest", ge=0)
    weight_decay: float = setting(1e-4, "decoupled weight decay", ge=0.0)
    max_grad_norm: float = setting(1.0, "largest norm of a gradient", ge=0.0)
    ema_decay: float = setting(0.999, "largest decay of the averaged weights", le=1.0)
    relative_actions: bool = setting(
        True, "arm joints are commanded relative to where they are measured"
    )
    position_noise_rad: float = setting(
        0.003, "noise on measured arm joints, as the network sees them", ge=0.0
    )
    gripper_noise_m: float = setting(0.0005, "noise on measured grippers", ge=0.0)
    state_noise: float = setting(0.0, "noise on other measured states, of half their range", ge=0.0)
    late_frame_probability: float = setting(
        0.5, "how often a camera shows the step before", ge=0.0, le=1.0
    )
    shift_px: int = setting(0, "largest random shift of an image in [px]; it blurs positions", ge=0)
    brightness: float = setting(0.15, "largest change of brightness, of the range", ge=0.0)
    contrast: float = setting(0.2, "largest change of contrast", ge=0.0, le=0.9)
    pixel_noise: float = setting(4.0, "noise on a pixel, of 255", ge=0.0)
    validation_fraction: float = setting(
        0.1, "share of the episodes kept for validation", ge=0.0, le=0.9
    )
    validate_every: int = setting(500, "updates between validations", ge=1)
    checkpoint_every: int = setting(500, "updates between checkpoints", ge=1)
    smallest_range_rad: float = setting(
        0.05, "an arm joint that moves less is normalised as if it moved this much", ge=1e-6
    )
    smallest_range_m: float = setting(0.005, "the same for a gripper", ge=1e-6)
    smallest_range: float = setting(0.01, "the same for any other column", ge=1e-6)
    allow_constant_actions: bool = setting(
        False, "accept data in which an action never moves, instead of refusing it"
    )
    threads: int = setting(2, "CPU threads", ge=1)
    device: str = setting("auto", f"one of {', '.join(DEVICES)}")
    bfloat16: bool = setting(
        False, "mixed precision: all on a GPU, the encoders' convolutions on a CPU"
    )
    seed: int = setting(0, "seed of everything random", ge=0)

    def __post_init__(self) -> None:
        """Check the ranges and what hangs together."""
        super().__post_init__()
        for name, known in (
            ("method", METHODS),
            ("head", HEADS),
            ("encoder", ENCODERS),
            ("device", DEVICES),
        ):
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"{name} = {getattr(self, name)}: expected one of {', '.join(known)}"
                )
        self._check_method()
        if len(self.channels) != 4 or any(width % 8 for width in self.channels):
            raise ConfigError(f"channels = {self.channels}: expected four multiples of 8")
        if self.batch_size % self.gradient_accumulation_steps:
            raise ConfigError(
                f"batch_size = {self.batch_size} is not a multiple of "
                f"gradient_accumulation_steps = {self.gradient_accumulation_steps}"
            )

    def _check_method(self) -> None:
        if self.latent_dct_modes > self.horizon:
            raise ConfigError(
                f"latent_dct_modes = {self.latent_dct_modes} is more than horizon = {self.horizon}"
            )
        one_step = self.method in ONE_STEP and self.method != "bc_mse"
        if self.num_components > 1 and not one_step:
            raise ConfigError(
                f"num_components = {self.num_components}: {self.method} has no one-step generator"
            )
        if self.num_inference_steps > 1 and self.method not in ("ddim", "flow"):
            raise ConfigError(
                f"num_inference_steps = {self.num_inference_steps}: {self.method} generates a "
                "chunk in one pass"
            )
        if one_step and self.num_samples < 2:
            raise ConfigError(
                f"num_samples = {self.num_samples}: {self.method} repels samples of an observation "
                "from one another and needs at least 2, better 8"
            )
