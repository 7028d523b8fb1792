"""A trained policy with Gaussian exploration noise."""

import copy
import math

import torch
from torch import Tensor, nn

from dbp_ros.learning.methods.one_step import OneStep
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.rl.gaussian_chunk import GaussianChunk
from dbp_ros.settings.finetune import FinetuneConfig

# Number of noise samples that replace the removed part of an annealed latent.
ANCHOR_SAMPLES = 8


class SigmaHead(nn.Module):
    """Standard deviation of each number of a chunk, between two bounds.

    The initial value is constant. A sigmoid enforces the bounds, because a clamp has no gradient
    beyond them.
    """

    def __init__(self, observation: int, chunk: tuple[int, int], config: FinetuneConfig) -> None:
        """Build a head for chunks of shape (horizon, nu)."""
        super().__init__()
        self._chunk = chunk
        self._low, high = math.log(config.min_noise_std), math.log(config.max_noise_std)
        self._range = high - self._low
        fraction = (math.log(config.init_noise_std) - self._low) / self._range
        self.linear = nn.Linear(observation, chunk[0] * chunk[1])
        nn.init.zeros_(self.linear.weight)
        nn.init.constant_(self.linear.bias, math.log(fraction / (1.0 - fraction)))

    def forward(self, observation: Tensor) -> Tensor:
        """Return log sigma. Shape (B, observation) to (B, horizon, nu)."""
        fraction = torch.sigmoid(self.linear(observation))
        log_sigma: Tensor = self._low + self._range * fraction
        return log_sigma.reshape(-1, *self._chunk)


class StochasticPolicy(nn.Module):
    """A Gaussian policy in normalised actions, with the pretrained policy as its anchor.

    The method and the standard deviation are trained. Encoders and scales are frozen, so an
    observation can be stored as the head's input.

    Attributes:
        policy: The trained policy; a copy of the pretrained one at the start.
        anchor: The pretrained method, frozen and in evaluation mode.
        log_std_head: The standard deviation.
    """

    log_std_head: nn.Module

    def __init__(self, policy: PolicyNetwork, config: FinetuneConfig) -> None:
        """Copy a trained policy."""
        super().__init__()
        self.policy = copy.deepcopy(policy).requires_grad_(False)
        self.policy.method.requires_grad_(True)
        self.anchor = copy.deepcopy(policy.method).requires_grad_(False)
        self.log_std_head = SigmaHead(policy.observation_size, policy.chunk_shape, config)
        self.train()

    def train(self, mode: bool = True) -> "StochasticPolicy":
        """Set the mode of the trained modules; all others stay in evaluation mode."""
        super().train(mode)
        self.policy.eval()
        self.policy.method.train(mode)
        self.anchor.eval()
        return self

    def forward(self, observation: Tensor, latent: Tensor) -> GaussianChunk:
        """Return the distribution of the chunk.

        Args:
            observation: From `PolicyNetwork.observe`. Shape (B, observation).
            latent: Standard normal. Shape (B, horizon, nu).
        """
        mean = self.policy.method(observation, latent[:, None])[:, 0]
        return GaussianChunk(mean, self.log_std_head(observation))

    @torch.no_grad()
    def anchor_chunk(
        self, observation: Tensor, latent: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the chunk of the pretrained policy. Shape (B, horizon, nu).

        For a latent annealed by a factor s it is the mean `E f(o, s z + sqrt(1 - s^2) e)`: the
        pretrained chunk of the latent zero is not the mean chunk.
        """
        scale = self._latent_scale()
        latents = latent[:, None]
        if scale < 1.0:
            shape = (len(latent), ANCHOR_SAMPLES, *latent.shape[1:])
            noise = torch.randn(shape, generator=generator).to(latent.device)
            latents = scale * latents + math.sqrt(1.0 - scale**2) * noise
        chunk: Tensor = self.anchor(observation, latents).mean(1)
        return chunk

    def _latent_scale(self) -> float:
        """Return the scale of the latents relative to the anchor's."""
        current, anchor = self.policy.method, self.anchor
        if not isinstance(current, OneStep) or not isinstance(anchor, OneStep):
            return 1.0
        scale = float(anchor.latent_scale)
        return float(current.latent_scale) / scale if scale else 1.0
