"""Sampler of a network that is run several times for each chunk."""

import math
from dataclasses import dataclass
from typing import Literal

from dbp_ros.errors import ConfigError
from dbp_ros.settings.fields import Settings, setting


@dataclass(frozen=True)
class Denoiser(Settings):
    """Denoising network in a graph, and the sampler that calls it.

    `ddim` samples a diffusion model without noise between the steps (arXiv 2010.02502, eta = 0),
    also one that was trained for DDPM. `flow` integrates a velocity by Euler steps.
    """

    sample: str = setting("", "Input of the noisy chunk, at first standard normal noise")
    timestep: str = setting("", "Input of the timestep")
    output: str = setting("", "Output of the network for a noisy chunk; of the policy, the chunk")
    sampler: Literal["ddim", "flow"] = setting("ddim", "ddim, or flow for a velocity")
    num_inference_steps: int = setting(10, "Calls of the network per chunk", ge=1, le=1000)
    num_train_timesteps: int = setting(100, "ddim: timesteps of the training", ge=1, le=100000)
    beta_schedule: Literal["squaredcos_cap_v2", "linear", "scaled_linear"] = setting(
        "squaredcos_cap_v2", "ddim: noise schedule, as it is called by diffusers"
    )
    beta_start: float = setting(1e-4, "ddim: first beta of a linear schedule", ge=0.0, le=1.0)
    beta_end: float = setting(0.02, "ddim: last beta of a linear schedule", ge=0.0, le=1.0)
    prediction_type: Literal["epsilon", "sample", "v_prediction"] = setting(
        "epsilon", "ddim: the network returns the noise, the clean chunk, or the velocity v"
    )
    clip_sample_range: float | None = setting(
        None,
        "ddim: largest magnitude of the clean chunk; 0 for no limit. 1 if not given, which actions "
        "with mean and std do not allow",
        ge=0.0,
    )
    timestep_spacing: Literal["leading", "trailing", "linspace"] = setting(
        "leading", "ddim: which timesteps are used, as it is called by diffusers"
    )
    times: tuple[float, float] = setting((0.0, 1.0), "flow: time of noise and of data")
    timestep_scale: float = setting(
        1.0, "flow: timestep that the network takes per unit of time, such as 1000", ge=1e-9
    )

    @property
    def clip_limit(self) -> float:
        """Largest magnitude of the clean chunk; infinite without a limit."""
        given = 1.0 if self.clip_sample_range is None else self.clip_sample_range
        return given or math.inf

    def __post_init__(self) -> None:
        """Check values that depend on each other."""
        super().__post_init__()
        for name in ("sample", "timestep", "output"):
            if not getattr(self, name):
                raise ConfigError(f"{name} is empty, expected a name in the graph")
        if self.sampler == "flow" and self.times[0] == self.times[1]:
            raise ConfigError(f"times is {self.times}, expected two different values")
        if self.sampler == "ddim" and self.num_inference_steps > self.num_train_timesteps:
            raise ConfigError(
                f"num_inference_steps is {self.num_inference_steps}, expected at most "
                f"num_train_timesteps, {self.num_train_timesteps}"
            )
