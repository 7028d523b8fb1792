"""The settings of imitation learning and their defaults."""

from dataclasses import dataclass

from dbp_ros.config import check_ranges, setting
from dbp_ros.drift.fields import WIDE_TEMPERATURES
from dbp_ros.errors import ConfigError

OBJECTIVES = ("conditional_drifting", "energy_drifting", "drifting", "regression")


@dataclass(frozen=True)
class TrainConfig:
    """How a policy is trained from a data set; every field is a flag of `dbp train`.

    Raises:
        ConfigError: If a number is out of range or the objective is unknown.
    """

    objective: str = setting(
        "conditional_drifting",
        f"what moves the generated chunks: one of {', '.join(OBJECTIVES)}",
    )
    updates: int = setting(7_000, "optimiser steps in all", minimum=1)
    batch: int = setting(64, "observations in an update", minimum=1)
    samples: int = setting(8, "chunks generated for each observation", minimum=2)
    temperatures: tuple[float, ...] = setting(
        WIDE_TEMPERATURES, "kernel widths of the drift, in mean distances", minimum=1e-3
    )
    horizon: int = setting(8, "points in an action chunk", minimum=1)
    history: int = setting(1, "observations that the policy takes", minimum=1)
    latent_waves: int = setting(
        1, "slowest waves of the latent that reach the generator, at most the horizon", minimum=1
    )
    width: int = setting(512, "width of the part of the head that runs once", minimum=8)
    latent_width: int = setting(256, "width of the part that runs for each latent", minimum=8)
    depth: int = setting(2, "residual blocks in each part of the head", minimum=1)
    channels: tuple[int, ...] = setting(
        (16, 32, 48, 48), "channels of a camera encoder's four convolutions", minimum=8
    )
    keypoints: int = setting(32, "points of interest that an encoder looks for", minimum=1)
    learning_rate: float = setting(1e-3, "largest learning rate", minimum=0.0)
    warm_up: int = setting(200, "updates until the learning rate is largest", minimum=0)
    weight_decay: float = setting(1e-4, "decoupled weight decay", minimum=0.0)
    clip_gradient: float = setting(1.0, "largest norm of a gradient", minimum=0.0)
    ema_decay: float = setting(0.999, "largest decay of the averaged weights", maximum=1.0)
    position_noise_rad: float = setting(
        0.003, "noise on measured arm joints, as the network sees them", minimum=0.0
    )
    gripper_noise_m: float = setting(0.0005, "noise on measured grippers", minimum=0.0)
    late_frame_probability: float = setting(
        0.5, "how often a camera shows the step before", minimum=0.0, maximum=1.0
    )
    shift_px: int = setting(
        0, "largest random shift of a picture in [px]; it blurs where things are", minimum=0
    )
    brightness: float = setting(0.15, "largest change of brightness, of the range", minimum=0.0)
    contrast: float = setting(0.2, "largest change of contrast", minimum=0.0, maximum=0.9)
    pixel_noise: float = setting(4.0, "noise on a pixel, of 255", minimum=0.0)
    validation_fraction: float = setting(
        0.1, "share of the episodes kept for validation", minimum=0.0, maximum=0.9
    )
    validate_every: int = setting(500, "updates between validations", minimum=1)
    checkpoint_every: int = setting(500, "updates between checkpoints", minimum=1)
    smallest_range_rad: float = setting(
        0.05, "an arm joint that moves less is normalised as if it moved this much", minimum=1e-6
    )
    smallest_range_m: float = setting(0.005, "the same for a gripper", minimum=1e-6)
    threads: int = setting(2, "CPU threads", minimum=1)
    bfloat16: bool = setting(False, "run the encoders' convolutions in bfloat16 while training")
    seed: int = setting(0, "seed of everything random", minimum=0)

    def __post_init__(self) -> None:
        """Check the ranges and what hangs together."""
        check_ranges(self)
        if self.objective not in OBJECTIVES:
            raise ConfigError(
                f"objective = {self.objective}: expected one of {', '.join(OBJECTIVES)}"
            )
        if self.latent_waves > self.horizon:
            raise ConfigError(
                f"latent_waves = {self.latent_waves} is more than horizon = {self.horizon}"
            )
        if len(self.channels) != 4 or any(width % 8 for width in self.channels):
            raise ConfigError(f"channels = {self.channels}: expected four multiples of 8")
