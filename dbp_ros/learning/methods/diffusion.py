"""DDPM with the cosine schedule, sampled by DDIM: the baseline that denoises."""

import math

import torch
from torch import Tensor

from dbp_ros.drift.heads import Head
from dbp_ros.learning.methods.method import Method, RegressionTarget, TrainingBatch, unit_target

LEVELS = 100
_LARGEST_BETA = 0.999
_OFFSET = 0.008
_LARGEST_ACTION = 1.0


def kept_signal(levels: int = LEVELS) -> Tensor:
    """Return how much of the clean chunk's power is left at each level, arXiv 2102.09672, (17).

    Shape (levels,), falling.
    """
    steps = torch.arange(levels + 1, dtype=torch.float64) / levels
    power = torch.cos((steps + _OFFSET) / (1 + _OFFSET) * math.pi / 2).square()
    betas = (1 - power[1:] / power[:-1]).clamp_max(_LARGEST_BETA)
    return (1 - betas).cumprod(0).float()


class Diffusion(Method):
    """Noise prediction over 100 levels (arXiv 2006.11239, 2303.04137), sampled by DDIM.

    DDIM without noise of its own (arXiv 2010.02502, eta = 0): a latent always gives the same
    chunk, in as many evenly spaced levels as asked for.
    """

    kept: Tensor

    def __init__(self, head: Head, evaluations: int, draws: int) -> None:
        """Take over a head with one time; `evaluations` is the number of DDIM steps."""
        super().__init__(head, evaluations, draws)
        self.register_buffer("kept", kept_signal(), persistent=False)
        # Plain numbers too: a graph is exported with them as constants.
        self._kept: list[float] = kept_signal().tolist()

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Return denoised chunks; the clean chunk is clipped at each level, as in 2303.04137."""
        condition = self.head.condition(observation)
        kept, last = self._kept, LEVELS - 1
        between = max(1, self.evaluations - 1)
        levels = [round(last * (1 - index / between)) for index in range(self.evaluations)]
        value = latent
        for level, following in zip(levels, [*levels[1:], -1], strict=True):
            times = torch.full_like(value[:, :, 0, :1], level / LEVELS)
            noise = self.head(condition, value, times)
            signal = kept[level]
            clean: Tensor = (value - math.sqrt(1 - signal) * noise) / math.sqrt(signal)
            clean = clean.clamp(-_LARGEST_ACTION, _LARGEST_ACTION)
            if following < 0:
                return clean
            noise = (value - math.sqrt(signal) * clean) / math.sqrt(1 - signal)
            left = kept[following]
            value = math.sqrt(left) * clean + math.sqrt(1 - left) * noise
        return value

    def respond(self, question: TrainingBatch) -> Tensor:
        """Return the predicted noise at a level drawn for each draw."""
        level = (question.chance[..., 0] * LEVELS).long().clamp_max(LEVELS - 1)
        kept = self.kept[level][..., None, None]
        value = kept.sqrt() * question.positives[:, :1] + (1 - kept).sqrt() * question.noise
        times = (level / LEVELS).to(value.dtype).unsqueeze(-1)
        said: Tensor = self.head(self.head.condition(question.observation), value, times)
        return said

    def aim(self, said: Tensor, question: TrainingBatch) -> RegressionTarget:
        """Return the noise."""
        return unit_target(question.noise, said)
