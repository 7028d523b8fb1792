"""The interface between the trainer and every method.

A training step calls `predict`, `target` and `loss`. Only `target` may depend on a whole batch, and
it carries no gradient. A batch can therefore be split for gradient accumulation or over processes
without changing the update.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dbp_ros.drift.heads import Head
from dbp_ros.drift.losses import scaled_square


@dataclass(frozen=True)
class TrainingBatch:
    """Input of a method: an encoded batch, or rows of one.

    Attributes:
        observation: Normalised. Shape (B, observation).
        positives: Normalised demonstrated chunks, the observation's own first.
            Shape (B, P, horizon, actions).
        weights: Of the positives, not negative. Shape (B, P).
        noise: Standard normal, `num_samples` of the method. Shape (B, G, horizon, actions).
        uniform: Uniform in [0, 1], for methods that sample times. Shape (B, G, 3).
        progress: Completed fraction of the training.
    """

    observation: Tensor
    positives: Tensor
    weights: Tensor
    noise: Tensor
    uniform: Tensor
    progress: float

    @staticmethod
    def join(parts: "list[TrainingBatch]") -> "TrainingBatch":
        """Concatenate the parts of a batch."""
        names = ("observation", "positives", "weights", "noise", "uniform")
        whole = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
        return TrainingBatch(**whole, progress=parts[0].progress)

    def apply(self, function: Callable[[Tensor], Tensor]) -> "TrainingBatch":
        """Apply a function to every tensor."""
        return TrainingBatch(
            function(self.observation),
            function(self.positives),
            function(self.weights),
            function(self.noise),
            function(self.uniform),
            self.progress,
        )


@dataclass(frozen=True)
class RegressionTarget:
    """Target of a prediction.

    Attributes:
        value: Shape of the prediction, (B, G, horizon, actions).
        scale: Unit of the difference, by observation. Shape (B, 1, 1, 1).
        force_rms: RMS drift towards the target, for the log.
    """

    value: Tensor
    scale: Tensor
    force_rms: Tensor

    def rows(self, start: int, end: int) -> "RegressionTarget":
        """Return the rows from `start` to before `end`."""
        return RegressionTarget(self.value[start:end], self.scale[start:end], self.force_rms)


class Method(nn.Module, ABC):
    """A training objective and a sampler of chunks.

    Attributes:
        head: The network that it trains.
        num_inference_steps: Passes through the head for one chunk at deployment (NFE).
        needs_whole_batch: Whether `target` depends on all rows of a batch.
        num_samples: Noise samples for each observation of an update.
    """

    needs_whole_batch = False

    def __init__(self, head: Head, num_inference_steps: int, num_samples: int) -> None:
        """Wrap a head."""
        super().__init__()
        self.head = head
        self.num_inference_steps, self.num_samples = num_inference_steps, num_samples

    @abstractmethod
    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Return one chunk for each latent; deterministic.

        Args:
            observation: Shape (B, observation).
            latent: Standard normal. Shape (B, G, horizon, actions).

        Returns:
            Normalised actions, not clipped. Shape (B, G, horizon, actions).
        """

    @abstractmethod
    def predict(self, batch: TrainingBatch) -> Tensor:
        """Return the head's output, with gradient. Shape (B, G, horizon, actions)."""

    @abstractmethod
    def target(self, prediction: Tensor, batch: TrainingBatch) -> RegressionTarget:
        """Return the regression target.

        Args:
            prediction: Output of `predict`, without gradient.
            batch: Its input.
        """

    def loss(self, prediction: Tensor, target: RegressionTarget) -> Tensor:
        """Return the mean squared difference in units of the target's scale. Scalar."""
        return scaled_square(prediction, target.value, target.scale).mean()


def unit_target(value: Tensor, prediction: Tensor) -> RegressionTarget:
    """Return a target of scale 1."""
    ones = torch.ones_like(value[:, :1, :1, :1])
    return RegressionTarget(value, ones, (value - prediction).square().mean().sqrt())
