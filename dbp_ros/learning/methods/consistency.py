"""Consistency training: neighbouring points of a path to noise map to the same chunk."""

import math

import torch
from torch import Tensor

from dbp_ros.learning.methods.flow import point_on_path
from dbp_ros.learning.methods.method import Method, RegressionTarget, TrainingBatch, unit_target

MIN_LEVELS, MAX_LEVELS = 10, 160
_HUBER = 0.00054


class Consistency(Method):
    """Improved consistency training on straight paths (arXiv 2303.01469, 2310.14189).

    `f(x_t) = (1 - t) x_t + t head(x_t, t)`, a pseudo-Huber distance between neighbouring times of
    one path, on a grid that grows from 10 to 160 levels.
    """

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Map noise to a chunk in one step."""
        ones = torch.ones_like(latent[:, :, 0, 0])
        return self._chunk(self.head.condition(observation), latent, ones)

    def predict(self, batch: TrainingBatch) -> Tensor:
        """Return the chunk predicted from a noisy point."""
        time = self._times(batch)[1]
        condition = self.head.condition(batch.observation)
        return self._chunk(condition, point_on_path(batch, time), time)

    def target(self, prediction: Tensor, batch: TrainingBatch) -> RegressionTarget:
        """Return the chunk predicted from the neighbour with less noise."""
        time = self._times(batch)[0]
        condition = self.head.condition(batch.observation)
        return unit_target(self._chunk(condition, point_on_path(batch, time), time), prediction)

    def loss(self, prediction: Tensor, target: RegressionTarget) -> Tensor:
        """Return the pseudo-Huber distance, arXiv 2310.14189, (7)."""
        size = prediction[0, 0].numel()
        huber = _HUBER * math.sqrt(size)
        square = (prediction - target.value).square().sum((2, 3))
        return ((square + huber**2).sqrt() - huber).mean() / size

    def _chunk(self, condition: Tensor, value: Tensor, time: Tensor) -> Tensor:
        noise_weight = time[..., None, None]
        prediction: Tensor = self.head(condition, value, time.unsqueeze(-1))
        return (1 - noise_weight) * value + noise_weight * prediction

    def _times(self, batch: TrainingBatch) -> tuple[Tensor, Tensor]:
        """Return neighbouring times of the current grid, less noise first."""
        growth = (MAX_LEVELS / MIN_LEVELS) ** batch.progress
        levels = round(MIN_LEVELS * growth)
        step = (batch.uniform[..., 0] * levels).floor().clamp_max(levels - 1)
        return step / levels, (step + 1) / levels
