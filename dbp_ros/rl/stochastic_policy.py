"""A trained policy made to explore: its chunk is the mean of a normal law."""

import copy
import math

import torch
from torch import Tensor, nn

from dbp_ros.learning.methods.one_step import OneStep
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.rl.config import FinetuneConfig
from dbp_ros.rl.gaussian_chunk import GaussianChunk

# Latents that the anchor is averaged over where they have faded.
AVERAGED = 8


class SigmaHead(nn.Module):
    """The standard deviation of each number of a chunk, between two bounds.

    It starts everywhere at one value strictly inside, and a sigmoid keeps it there: at a hard
    bound the gradient would end, and with it all learning.
    """

    def __init__(self, observation: int, chunk: tuple[int, int], config: FinetuneConfig) -> None:
        """Build a head for chunks of shape (horizon, nu)."""
        super().__init__()
        self._chunk = chunk
        self._low, high = math.log(config.sigma_low), math.log(config.sigma_high)
        self._span = high - self._low
        share = (math.log(config.sigma) - self._low) / self._span
        self.linear = nn.Linear(observation, chunk[0] * chunk[1])
        nn.init.zeros_(self.linear.weight)
        nn.init.constant_(self.linear.bias, math.log(share / (1.0 - share)))

    def forward(self, observation: Tensor) -> Tensor:
        """Return log sigma. Shape (B, observation) to (B, horizon, nu)."""
        share = torch.sigmoid(self.linear(observation))
        log_sigma: Tensor = self._low + self._span * share
        return log_sigma.reshape(-1, *self._chunk)


class StochasticPolicy(nn.Module):
    """A policy that learns, how far it explores, and the policy it came from.

    It acts in normalised actions. Learned are the method and the standard deviation; encoders and
    scales stay as they were imitated, so an observation can be kept as the head sees it.

    Attributes:
        policy: What is learned; at the start it says exactly what was imitated.
        anchor: The imitated method, never changed and always in evaluation mode.
        spread: The standard deviation.
    """

    spread: nn.Module

    def __init__(self, policy: PolicyNetwork, config: FinetuneConfig) -> None:
        """Copy a trained policy; the original is left alone."""
        super().__init__()
        self.policy = copy.deepcopy(policy).requires_grad_(False)
        self.policy.method.requires_grad_(True)
        self.anchor = copy.deepcopy(policy.method).requires_grad_(False)
        self.spread = SigmaHead(policy.observation_size, policy.chunk_shape, config)
        self.train()

    def train(self, mode: bool = True) -> "StochasticPolicy":
        """Set the mode of what is learned; the rest is never in training."""
        super().train(mode)
        self.policy.eval()
        self.policy.method.train(mode)
        self.anchor.eval()
        return self

    def forward(self, observation: Tensor, latent: Tensor) -> GaussianChunk:
        """Return the law of the chunk.

        Args:
            observation: From `PolicyNetwork.observe`. Shape (B, observation).
            latent: Standard normal, kept with the decision. Shape (B, horizon, nu).
        """
        mean = self.policy.method(observation, latent[:, None])[:, 0]
        return GaussianChunk(mean, self.spread(observation))

    @torch.no_grad()
    def imitated(self, observation: Tensor, latent: Tensor, chance: torch.Generator) -> Tensor:
        """Return the chunk that the imitated policy would play. Shape (B, horizon, nu).

        Of a latent that has faded to a share s of itself, that share is left: what is gone is
        averaged over, `E f(o, s z + sqrt(1 - s^2) e)`. The chunk of the latent zero is no mean,
        nor anything that was imitated.
        """
        share = self._share_left()
        latents = latent[:, None]
        if share < 1.0:
            shape = (len(latent), AVERAGED, *latent.shape[1:])
            fresh = torch.randn(shape, generator=chance).to(latent.device)
            latents = share * latents + math.sqrt(1.0 - share**2) * fresh
        chunk: Tensor = self.anchor(observation, latents).mean(1)
        return chunk

    def _share_left(self) -> float:
        """Return how much of the imitated policy's latents the learned one still has."""
        now, before = self.policy.method, self.anchor
        if not isinstance(now, OneStep) or not isinstance(before, OneStep):
            return 1.0
        at_first = float(before.latent_scale)
        return float(now.latent_scale) / at_first if at_first else 1.0

    def deployable(self) -> PolicyNetwork:
        """Return a copy of the policy as it is now, without exploration, ready to run."""
        return copy.deepcopy(self.policy).eval().requires_grad_(False)
