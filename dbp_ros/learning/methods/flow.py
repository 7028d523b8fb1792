"""Flow matching and mean flows: straight paths from noise to a chunk."""

import torch
from torch import Tensor
from torch.func import jvp

from dbp_ros.learning.methods.method import Method, RegressionTarget, TrainingBatch, unit_target

_INSTANTANEOUS = 0.5


def on_path(question: TrainingBatch, time: Tensor) -> Tensor:
    """Return the point at `time` between a chunk (0) and noise (1). Time has shape (B, G)."""
    share = time[..., None, None]
    return (1 - share) * question.positives[:, :1] + share * question.noise


def velocity(question: TrainingBatch) -> Tensor:
    """Return the path's velocity, from the chunk to the noise."""
    return question.noise - question.positives[:, :1]


class FlowMatching(Method):
    """Conditional flow matching on straight paths (arXiv 2210.02747), Euler steps."""

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Follow the flow from noise to a chunk in equal steps."""
        condition = self.head.condition(observation)
        value, step = latent, 1.0 / self.evaluations
        for index in range(self.evaluations):
            times = torch.full_like(value[:, :, 0, :1], 1.0 - index * step)
            value = value - step * self.head(condition, value, times)
        return value

    def respond(self, question: TrainingBatch) -> Tensor:
        """Return the predicted velocity at a time drawn for each draw."""
        time = question.chance[..., 0]
        condition = self.head.condition(question.observation)
        said: Tensor = self.head(condition, on_path(question, time), time.unsqueeze(-1))
        return said

    def aim(self, said: Tensor, question: TrainingBatch) -> RegressionTarget:
        """Return the velocity."""
        return unit_target(velocity(question), said)


class MeanFlow(Method):
    """The mean velocity between two times, so that one step is enough (arXiv 2505.13447).

    Half of the draws have equal times. No adaptive weight: with it, the two-route toy falls into
    one mode.
    """

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Go from noise to a chunk in one step."""
        times = torch.cat(
            [torch.zeros_like(latent[:, :, 0, :1]), torch.ones_like(latent[:, :, 0, :1])], dim=-1
        )
        mean: Tensor = self.head(self.head.condition(observation), latent, times)
        return latent - mean

    def respond(self, question: TrainingBatch) -> Tensor:
        """Return the predicted mean velocity between two times."""
        early, late = self._times(question)
        condition = self.head.condition(question.observation)
        times = torch.stack([early, late], dim=-1)
        said: Tensor = self.head(condition, on_path(question, late), times)
        return said

    def aim(self, said: Tensor, question: TrainingBatch) -> RegressionTarget:
        """Return `v - (t - r) du/dt`, with the derivative along the path."""
        early, late = self._times(question)
        condition = self.head.condition(question.observation)
        along = velocity(question)

        def mean(value: Tensor, begin: Tensor, end: Tensor) -> Tensor:
            said: Tensor = self.head(condition, value, torch.stack([begin, end], dim=-1))
            return said

        slope: Tensor = jvp(
            mean,
            (on_path(question, late), early, late),
            (along, torch.zeros_like(early), torch.ones_like(late)),
        )[1]
        return unit_target(along - (late - early)[..., None, None] * slope, said)

    def _times(self, question: TrainingBatch) -> tuple[Tensor, Tensor]:
        early = question.chance[..., :2].amin(-1)
        late = question.chance[..., :2].amax(-1)
        return torch.where(question.chance[..., 2] < _INSTANTANEOUS, late, early), late
