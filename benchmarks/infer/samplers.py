"""The ways from noise to a chunk, in any runtime: one pass, DDIM, DDPM."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.infer.backbones import Network
from dbp_ros.learning.methods.diffusion import LEVELS, kept_signal


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


def denoise(network: Network, latent: Any, levels: Sequence[int], drawn: bool) -> Any:
    """Return a denoised chunk; the clean chunk is clipped at each level, as in 2303.04137.

    Args:
        network: Predicts noise.
        latent: Where to begin.
        levels: Falling to 0.
        drawn: Whether to draw from the posterior of each step, as DDPM does (arXiv 2006.11239,
            (6) and (7)), instead of DDIM's step without noise (arXiv 2010.02502, eta = 0).
    """
    condition, value = network.condition(network.observation), latent
    for level, following in zip(levels, [*levels[1:], -1], strict=True):
        noise = network.step(condition, value, level / LEVELS)
        kept = _KEPT[level]
        clean = (value - math.sqrt(1 - kept) * noise) / math.sqrt(kept)
        clean = clean.clip(-1.0, 1.0)
        if following < 0:
            return clean
        left = _KEPT[following]
        if drawn:
            step = kept / left
            share = math.sqrt(left) * (1 - step) / (1 - kept)
            rest = math.sqrt(step) * (1 - left) / (1 - kept)
            spread = math.sqrt((1 - left) / (1 - kept) * (1 - step))
            value = share * clean + rest * value + spread * network.draw()
        else:
            noise = (value - math.sqrt(kept) * clean) / math.sqrt(1 - kept)
            value = math.sqrt(left) * clean + math.sqrt(1 - left) * noise
    return value


def _denoiser(steps: int, drawn: bool) -> Sampler:
    last = LEVELS - 1
    levels = [round(last * (1 - index / (steps - 1))) for index in range(steps)]
    return Sampler(steps, lambda network, latent: denoise(network, latent, levels, drawn))


_KEPT: list[float] = kept_signal().tolist()
SAMPLERS = {
    "one_pass": Sampler(1, one_pass),
    "ddim_10": _denoiser(10, drawn=False),
    "ddim_100": _denoiser(LEVELS, drawn=False),
    "ddpm_100": _denoiser(LEVELS, drawn=True),
}
