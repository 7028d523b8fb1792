"""DDPM with the cosine schedule and DDIM sampling: the diffusion baseline."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from dbp_ros.drift.heads import Head
from dbp_ros.learning.methods.method import Method, RegressionTarget, TrainingBatch, unit_target

LEVELS = 100
_LARGEST_BETA = 0.999
_OFFSET = 0.008


def alphas_cumprod(levels: int = LEVELS) -> Tensor:
    """Return the cosine schedule, arXiv 2102.09672, (17), decreasing. Shape (levels,)."""
    steps = torch.arange(levels + 1, dtype=torch.float64) / levels
    alpha_bar = torch.cos((steps + _OFFSET) / (1 + _OFFSET) * math.pi / 2).square()
    betas = (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp_max(_LARGEST_BETA)
    return (1 - betas).cumprod(0).float()


# Python floats become constants of an exported graph.
_ALPHAS_CUMPROD: list[float] = alphas_cumprod().tolist()


def denoising_levels(num_inference_steps: int) -> list[int]:
    """Return evenly spaced levels, decreasing to 0."""
    between = max(1, num_inference_steps - 1)
    return [round((LEVELS - 1) * (1 - index / between)) for index in range(num_inference_steps)]


def denoise(
    predict_noise: Callable[[Any, float], Any],
    latent: Any,
    levels: Sequence[int],
    posterior_noise: Callable[[], Any] | None = None,
) -> Any:
    """Return a denoised chunk; the clean chunk is clipped at each level, as in 2303.04137.

    Args:
        predict_noise: The network: a noisy chunk and its time in [0, 1] to the noise.
        latent: Standard normal start: a tensor or an array.
        levels: Decreasing to 0; see `denoising_levels`.
        posterior_noise: Samples the posterior noise of DDPM (arXiv 2006.11239, (6) and (7)); None
            for the deterministic step of DDIM (arXiv 2010.02502, eta = 0).
    """
    value = latent
    for level, following in zip(levels, [*levels[1:], -1], strict=True):
        noise = predict_noise(value, level / LEVELS)
        alpha = _ALPHAS_CUMPROD[level]
        clean = (value - math.sqrt(1 - alpha) * noise) / math.sqrt(alpha)
        clean = clean.clip(-1.0, 1.0)
        if following < 0:
            return clean
        next_alpha = _ALPHAS_CUMPROD[following]
        if posterior_noise is None:
            noise = (value - math.sqrt(alpha) * clean) / math.sqrt(1 - alpha)
            value = math.sqrt(next_alpha) * clean + math.sqrt(1 - next_alpha) * noise
        else:
            step = alpha / next_alpha
            clean_weight = math.sqrt(next_alpha) * (1 - step) / (1 - alpha)
            value_weight = math.sqrt(step) * (1 - next_alpha) / (1 - alpha)
            std = math.sqrt((1 - next_alpha) / (1 - alpha) * (1 - step))
            value = clean_weight * clean + value_weight * value + std * posterior_noise()
    return value


class Diffusion(Method):
    """Noise prediction over 100 levels (arXiv 2006.11239, 2303.04137), sampled by DDIM."""

    alphas_cumprod: Tensor

    def __init__(self, head: Head, num_inference_steps: int, num_samples: int) -> None:
        """Wrap a head with one time; `num_inference_steps` is the number of DDIM steps."""
        super().__init__(head, num_inference_steps, num_samples)
        self.register_buffer("alphas_cumprod", alphas_cumprod(), persistent=False)

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Return denoised chunks; see `denoise`."""
        condition = self.head.condition(observation)

        def predict_noise(value: Tensor, time: float) -> Tensor:
            times = torch.full_like(value[:, :, 0, :1], time)
            noise: Tensor = self.head(condition, value, times)
            return noise

        chunks: Tensor = denoise(predict_noise, latent, denoising_levels(self.num_inference_steps))
        return chunks

    def predict(self, batch: TrainingBatch) -> Tensor:
        """Return the predicted noise at a random level for each sample."""
        level = (batch.uniform[..., 0] * LEVELS).long().clamp_max(LEVELS - 1)
        alpha = self.alphas_cumprod[level][..., None, None]
        value = alpha.sqrt() * batch.positives[:, :1] + (1 - alpha).sqrt() * batch.noise
        times = (level / LEVELS).to(value.dtype).unsqueeze(-1)
        prediction: Tensor = self.head(self.head.condition(batch.observation), value, times)
        return prediction

    def target(self, prediction: Tensor, batch: TrainingBatch) -> RegressionTarget:
        """Return the noise."""
        return unit_target(batch.noise, prediction)
