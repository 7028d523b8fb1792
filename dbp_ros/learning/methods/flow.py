"""Flow matching and mean flows: straight paths from noise to a chunk."""

import torch
from torch import Tensor
from torch.func import jvp

from dbp_ros.learning.methods.method import Method, RegressionTarget, TrainingBatch, unit_target

_INSTANTANEOUS = 0.5


def point_on_path(batch: TrainingBatch, time: Tensor) -> Tensor:
    """Return the point at `time` between a chunk (0) and noise (1). Time has shape (B, G)."""
    noise_weight = time[..., None, None]
    return (1 - noise_weight) * batch.positives[:, :1] + noise_weight * batch.noise


def velocity(batch: TrainingBatch) -> Tensor:
    """Return the path's velocity, from the chunk to the noise."""
    return batch.noise - batch.positives[:, :1]


class FlowMatching(Method):
    """Conditional flow matching on straight paths (arXiv 2210.02747), Euler steps."""

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Integrate the flow from noise to a chunk in equal Euler steps."""
        condition = self.head.condition(observation)
        value, step = latent, 1.0 / self.num_inference_steps
        for index in range(self.num_inference_steps):
            times = torch.full_like(value[:, :, 0, :1], 1.0 - index * step)
            value = value - step * self.head(condition, value, times)
        return value

    def predict(self, batch: TrainingBatch) -> Tensor:
        """Return the predicted velocity at a random time for each sample."""
        time = batch.uniform[..., 0]
        condition = self.head.condition(batch.observation)
        prediction: Tensor = self.head(condition, point_on_path(batch, time), time.unsqueeze(-1))
        return prediction

    def target(self, prediction: Tensor, batch: TrainingBatch) -> RegressionTarget:
        """Return the velocity."""
        return unit_target(velocity(batch), prediction)


class MeanFlow(Method):
    """Mean velocity between two times, for sampling in one step (arXiv 2505.13447).

    Half of the samples have equal times. There is no adaptive weight: with it, the two-route toy
    collapses to one mode.
    """

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Map noise to a chunk in one step."""
        times = torch.cat(
            [torch.zeros_like(latent[:, :, 0, :1]), torch.ones_like(latent[:, :, 0, :1])], dim=-1
        )
        mean: Tensor = self.head(self.head.condition(observation), latent, times)
        return latent - mean

    def predict(self, batch: TrainingBatch) -> Tensor:
        """Return the predicted mean velocity between two times."""
        early, late = self._times(batch)
        condition = self.head.condition(batch.observation)
        times = torch.stack([early, late], dim=-1)
        prediction: Tensor = self.head(condition, point_on_path(batch, late), times)
        return prediction

    def target(self, prediction: Tensor, batch: TrainingBatch) -> RegressionTarget:
        """Return `v - (t - r) du/dt`, with the derivative along the path."""
        early, late = self._times(batch)
        condition = self.head.condition(batch.observation)
        path_velocity = velocity(batch)

        def mean_velocity(value: Tensor, begin: Tensor, end: Tensor) -> Tensor:
            prediction: Tensor = self.head(condition, value, torch.stack([begin, end], dim=-1))
            return prediction

        slope: Tensor = jvp(
            mean_velocity,
            (point_on_path(batch, late), early, late),
            (path_velocity, torch.zeros_like(early), torch.ones_like(late)),
        )[1]
        return unit_target(path_velocity - (late - early)[..., None, None] * slope, prediction)

    def _times(self, batch: TrainingBatch) -> tuple[Tensor, Tensor]:
        early = batch.uniform[..., :2].amin(-1)
        late = batch.uniform[..., :2].amax(-1)
        return torch.where(batch.uniform[..., 2] < _INSTANTANEOUS, late, early), late
