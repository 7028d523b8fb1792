"""Consistency training: neighbours on a path to noise should mean the same chunk."""

import math

import torch
from torch import Tensor

from dbp_ros.learning.methods.flow import on_path
from dbp_ros.learning.methods.method import Method, RegressionTarget, TrainingBatch, unit_target

FEWEST_LEVELS, MOST_LEVELS = 10, 160
_HUBER = 0.00054


class Consistency(Method):
    """Improved consistency training on straight paths (arXiv 2303.01469, 2310.14189).

    `f(x_t) = (1 - t) x_t + t head(x_t, t)`, a pseudo-Huber distance between neighbouring times of
    one path, on a grid that grows from 10 to 160 levels.
    """

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Go from noise to a chunk in one step."""
        ones = torch.ones_like(latent[:, :, 0, 0])
        return self._chunk(self.head.condition(observation), latent, ones)

    def respond(self, question: TrainingBatch) -> Tensor:
        """Return the chunk that a noisy point means."""
        time = self._times(question)[1]
        condition = self.head.condition(question.observation)
        return self._chunk(condition, on_path(question, time), time)

    def aim(self, said: Tensor, question: TrainingBatch) -> RegressionTarget:
        """Return what the neighbour with less noise means."""
        time = self._times(question)[0]
        condition = self.head.condition(question.observation)
        return unit_target(self._chunk(condition, on_path(question, time), time), said)

    def loss(self, said: Tensor, goal: RegressionTarget) -> Tensor:
        """Return the pseudo-Huber distance, arXiv 2310.14189, (7)."""
        size = said[0, 0].numel()
        huber = _HUBER * math.sqrt(size)
        square = (said - goal.value).square().sum((2, 3))
        return ((square + huber**2).sqrt() - huber).mean() / size

    def _chunk(self, condition: Tensor, value: Tensor, time: Tensor) -> Tensor:
        share = time[..., None, None]
        said: Tensor = self.head(condition, value, time.unsqueeze(-1))
        return (1 - share) * value + share * said

    def _times(self, question: TrainingBatch) -> tuple[Tensor, Tensor]:
        """Return neighbouring times of the present grid, less noise first."""
        growth = (MOST_LEVELS / FEWEST_LEVELS) ** question.progress
        levels = round(FEWEST_LEVELS * growth)
        step = (question.chance[..., 0] * levels).floor().clamp_max(levels - 1)
        return step / levels, (step + 1) / levels
