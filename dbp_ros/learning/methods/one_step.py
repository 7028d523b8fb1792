"""One-step generators: from noise and an observation to a chunk in one pass."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from dbp_ros.drift.fields import Drift
from dbp_ros.drift.generator import COMPONENT_SCALE, NoiseSkip, components
from dbp_ros.drift.heads import Head
from dbp_ros.drift.losses import drifted_samples
from dbp_ros.learning.methods.method import Method, RegressionTarget, TrainingBatch, unit_target

DriftField = Callable[[Tensor, TrainingBatch], Drift]


def dct_basis(horizon: int, count: int) -> Tensor:
    """Return the lowest DCT modes over a chunk: orthonormal rows, shape (count, horizon).

    The projection of white noise is white, so a latent can be reduced to `count` numbers per joint.
    The resulting chunk is smooth from the first update.
    """
    steps = (torch.arange(horizon, dtype=torch.float64) + 0.5) * math.pi / horizon
    modes = torch.cos(torch.arange(count, dtype=torch.float64)[:, None] * steps)
    unit: Tensor = modes / torch.linalg.vector_norm(modes, dim=1, keepdim=True)
    return unit.float()


class OneStep(Method):
    """`x = noise_skip(z) + head(o, z + w * component of z)`, trained by a drifting field.

    The latent is projected onto its lowest DCT modes. The one-hot component (see
    `OneStepGenerator`) is optional; a linear map `w` adds it to the input of the head.

    Attributes:
        latent_scale: Factor on latents, 1 as trained; at 0 every latent gives the same chunk.
            Saved with the weights.
    """

    needs_whole_batch = True
    projection: Tensor
    latent_scale: Tensor

    def __init__(
        self,
        head: Head,
        num_samples: int,
        field: DriftField,
        *,
        noise_skip: bool = True,
        dct_modes: int = 0,
        num_components: int = 1,
    ) -> None:
        """Wrap a head.

        Args:
            head: The network.
            num_samples: Samples generated for each observation of an update.
            field: From samples (B, G, S) and their batch to a drift.
            noise_skip: Whether to add a noise skip connection; the published form has none.
            dct_modes: Lowest DCT modes of the latent that are used; 0 for all.
            num_components: Components of the noise; 1 for none.
        """
        super().__init__(head, 1, num_samples)
        self._field = field
        self.noise_skip = NoiseSkip(head.horizon, head.actions) if noise_skip else None
        size = head.horizon * head.actions
        self.component = nn.Linear(num_components, size, bias=False) if num_components > 1 else None
        modes = dct_basis(head.horizon, dct_modes or head.horizon)
        gain = math.sqrt(head.horizon / len(modes))
        self.register_buffer("projection", gain * modes.T @ modes, persistent=False)
        self.register_buffer("latent_scale", torch.ones(()))

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Return one chunk for each latent; see `Method.forward`."""
        smooth = value = self.latent_scale * (self.projection @ latent)
        if self.component is not None:
            one_hot = components(self.latent_scale * latent, self.component.in_features)
            offset = self.component(COMPONENT_SCALE * one_hot)
            value = smooth + offset.reshape(smooth.shape)
        chunks: Tensor = self.head(self.head.condition(observation), value)
        return chunks if self.noise_skip is None else self.noise_skip(smooth) + chunks

    def predict(self, batch: TrainingBatch) -> Tensor:
        """Return generated chunks."""
        return self.forward(batch.observation, batch.noise)

    def target(self, prediction: Tensor, batch: TrainingBatch) -> RegressionTarget:
        """Return the chunks moved along the drift.

        The loss is the published one, arXiv 2602.04770: the squared drift in units of its scale.
        Its value is nearly constant, since each force is normalised; its gradient is
        `-2 V / (B G S c)`.
        """
        samples = prediction.flatten(2)
        drift = self._field(samples, batch)
        value = drifted_samples(samples, drift).reshape(prediction.shape)
        scale = drift.scale.expand(len(samples), -1, -1)
        return RegressionTarget(value, scale[..., None], drift.force_rms.mean())


class Regression(Method):
    """Behaviour cloning with a mean squared error: the baseline that averages modes."""

    def __init__(self, head: Head) -> None:
        """Wrap a head."""
        super().__init__(head, 1, 1)

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Return the same chunk for every latent."""
        chunks: Tensor = self.head(self.head.condition(observation), torch.zeros_like(latent))
        return chunks

    def predict(self, batch: TrainingBatch) -> Tensor:
        """Return the chunk of each observation."""
        return self.forward(batch.observation, batch.noise)

    def target(self, prediction: Tensor, batch: TrainingBatch) -> RegressionTarget:
        """Return the demonstration."""
        return unit_target(batch.positives[:, :1], prediction)
