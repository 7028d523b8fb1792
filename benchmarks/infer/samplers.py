"""Samplers in any runtime: one pass, DDIM, DDPM."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.infer.backbones import Network
from dbp_ros.learning.methods.diffusion import LEVELS, denoise, denoising_levels


@dataclass(frozen=True)
class Sampler:
    """A sampler of chunks.

    Attributes:
        num_inference_steps: Passes through the network.
        sample: Returns a chunk from a network and noise.
    """

    num_inference_steps: int
    sample: Callable[[Network, Any], Any]


def one_pass(network: Network, latent: Any) -> Any:
    """Return the chunk of a one-step generator."""
    return network.decide(network.observation, latent)


def _denoiser(steps: int, posterior: bool) -> Sampler:
    def sample(network: Network, latent: Any) -> Any:
        step = partial(network.step, network.condition(network.observation))
        return denoise(
            step, latent, denoising_levels(steps), network.sample_noise if posterior else None
        )

    return Sampler(steps, sample)


SAMPLERS = {
    "one_pass": Sampler(1, one_pass),
    "ddim_10": _denoiser(10, posterior=False),
    "ddim_100": _denoiser(LEVELS, posterior=False),
    "ddpm_100": _denoiser(LEVELS, posterior=True),
}
