"""The ways from noise to a chunk, in any runtime: one pass, DDIM, DDPM."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.infer.backbones import Network
from dbp_ros.learning.methods.diffusion import LEVELS, denoise, denoising_levels


@dataclass(frozen=True)
class Sampler:
    """A way to make a chunk.

    Attributes:
        evaluations: Passes through the network.
        sample: Returns a chunk for a network and noise.
    """

    evaluations: int
    sample: Callable[[Network, Any], Any]


def one_pass(network: Network, latent: Any) -> Any:
    """Return what a one-step generator makes of noise."""
    return network.decide(network.observation, latent)


def _denoiser(steps: int, posterior: bool) -> Sampler:
    def sample(network: Network, latent: Any) -> Any:
        step = partial(network.step, network.condition(network.observation))
        return denoise(step, latent, denoising_levels(steps), network.draw if posterior else None)

    return Sampler(steps, sample)


SAMPLERS = {
    "one_pass": Sampler(1, one_pass),
    "ddim_10": _denoiser(10, posterior=False),
    "ddim_100": _denoiser(LEVELS, posterior=False),
    "ddpm_100": _denoiser(LEVELS, posterior=True),
}
