"""Generators that need one pass: noise and an observation in, a chunk out."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from dbp_ros.drift.fields import Drift
from dbp_ros.drift.generator import NoiseSkip
from dbp_ros.drift.heads import Head
from dbp_ros.drift.losses import moved
from dbp_ros.learning.methods.method import Method, RegressionTarget, TrainingBatch, unit_target

Aim = Callable[[Tensor, TrainingBatch], Drift]


def dct_basis(horizon: int, count: int) -> Tensor:
    """Return the slowest cosine waves over a chunk: orthonormal rows, shape (count, horizon).

    White noise seen through them stays white, so a latent of full shape can be reduced to
    `count` numbers a joint; the chunk that it makes is smooth from the first update on.
    """
    steps = (torch.arange(horizon, dtype=torch.float64) + 0.5) * math.pi / horizon
    waves = torch.cos(torch.arange(count, dtype=torch.float64)[:, None] * steps)
    unit: Tensor = waves / torch.linalg.vector_norm(waves, dim=1, keepdim=True)
    return unit.float()


class OneStep(Method):
    """`x = noise_skip(z) + head(o, z)`, moved along a drifting field.

    Only the slow waves of the latent are used: `waves` of `horizon`.

    Attributes:
        latent_scale: What latents are multiplied by, 1 as trained; at 0 every latent makes the
            same chunk. Kept with the weights.
    """

    needs_whole_batch = True
    waves: Tensor
    latent_scale: Tensor

    def __init__(
        self, head: Head, draws: int, aim: Aim, *, noise_skip: bool = True, latent_waves: int = 0
    ) -> None:
        """Take over a head.

        Args:
            head: The network.
            draws: Samples generated for each observation of an update.
            aim: The field: samples (B, G, S) and the question to a drift.
            noise_skip: Whether to add a noise skip connection; the published form has none.
            latent_waves: Slowest waves of the latent that are used; 0 for all of it.
        """
        super().__init__(head, 1, draws)
        self._aim = aim
        self.noise_skip = NoiseSkip(head.horizon, head.actions) if noise_skip else None
        waves = dct_basis(head.horizon, latent_waves or head.horizon)
        widening = math.sqrt(head.horizon / len(waves))
        self.register_buffer("waves", widening * waves.T @ waves, persistent=False)
        self.register_buffer("latent_scale", torch.ones(()))

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Return one chunk for each latent; see `Method.forward`."""
        smooth = self.latent_scale * (self.waves @ latent)
        chunks: Tensor = self.head(self.head.condition(observation), smooth)
        return chunks if self.noise_skip is None else self.noise_skip(smooth) + chunks

    def respond(self, question: TrainingBatch) -> Tensor:
        """Return generated chunks."""
        return self.forward(question.observation, question.noise)

    def aim(self, said: Tensor, question: TrainingBatch) -> RegressionTarget:
        """Return the chunks moved along the field.

        The loss is the published one, arXiv 2602.04770: the squared drift in units of its scale.
        Its value is nearly constant, since each force is normalised; its gradient is
        `-2 V / (B G S c)`.
        """
        samples = said.flatten(2)
        drift = self._aim(samples, question)
        goal = moved(samples, drift).reshape(said.shape)
        scale = drift.scale.expand(len(samples), -1, -1)
        return RegressionTarget(goal, scale[..., None], drift.force_rms.mean())


class Regression(Method):
    """Behaviour cloning by mean squared error: the baseline that averages modes."""

    def __init__(self, head: Head) -> None:
        """Take over a head."""
        super().__init__(head, 1, 1)

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Return the same chunk for every latent."""
        chunks: Tensor = self.head(self.head.condition(observation), torch.zeros_like(latent))
        return chunks

    def respond(self, question: TrainingBatch) -> Tensor:
        """Return the chunk of each observation."""
        return self.forward(question.observation, question.noise)

    def aim(self, said: Tensor, question: TrainingBatch) -> RegressionTarget:
        """Return the demonstration."""
        return unit_target(question.positives[:, :1], said)
