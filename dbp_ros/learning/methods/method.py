"""The seam between the trainer and every method.

A method owns the head that it trains. Training asks it three things: what it says (`respond`),
what it should have said (`aim`), and how bad the difference is (`loss`). Only `aim` may look at a
whole batch, and it carries no gradient: that is why a batch can be cut into parts, over time or
over machines, without changing what is learned.
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
    """A batch, or a part of one, as a method sees it.

    Attributes:
        observation: Normalised. Shape (B, observation).
        positives: Normalised chunks that are right, the observation's own first.
            Shape (B, P, horizon, actions).
        weights: Of the positives, not negative. Shape (B, P).
        noise: Standard normal, as many draws as the method asks for. Shape (B, G, horizon,
            actions).
        chance: Uniform from 0 to 1, where a method needs times. Shape (B, G, 3).
        progress: How much of the training is over, from 0 to 1.
    """

    observation: Tensor
    positives: Tensor
    weights: Tensor
    noise: Tensor
    chance: Tensor
    progress: float

    @staticmethod
    def join(parts: "list[TrainingBatch]") -> "TrainingBatch":
        """Return the parts of a batch as one."""
        names = ("observation", "positives", "weights", "noise", "chance")
        whole = [torch.cat([getattr(part, name) for part in parts]) for name in names]
        return TrainingBatch(whole[0], whole[1], whole[2], whole[3], whole[4], parts[0].progress)

    def each(self, change: Callable[[Tensor], Tensor]) -> "TrainingBatch":
        """Return the question with every tensor changed."""
        return TrainingBatch(
            change(self.observation),
            change(self.positives),
            change(self.weights),
            change(self.noise),
            change(self.chance),
            self.progress,
        )


@dataclass(frozen=True)
class RegressionTarget:
    """What a method should have said.

    Attributes:
        value: Shape of the response, (B, G, horizon, actions).
        scale: Size of one unit of the difference, by observation. Shape (B, 1, 1, 1).
        force_rms: Mean size of the push towards it, for the log.
    """

    value: Tensor
    scale: Tensor
    force_rms: Tensor

    def rows(self, start: int, end: int) -> "RegressionTarget":
        """Return the part from row `start` to before row `end`."""
        return RegressionTarget(self.value[start:end], self.scale[start:end], self.force_rms)


class Method(nn.Module, ABC):
    """A way to learn and to make chunks.

    Attributes:
        head: The network that it trains.
        evaluations: Passes through the head for one chunk at deployment (NFE).
        needs_whole_batch: Whether `aim` mixes observations, so that a part is not enough.
        draws: Noise draws for each observation of an update.
    """

    needs_whole_batch = False

    def __init__(self, head: Head, evaluations: int, draws: int) -> None:
        """Take over a head."""
        super().__init__()
        self.head, self.evaluations, self.draws = head, evaluations, draws

    @abstractmethod
    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Return one chunk for each latent, always the same one for the same latent.

        Args:
            observation: Shape (B, observation).
            latent: Standard normal. Shape (B, G, horizon, actions).

        Returns:
            Normalised actions, not clipped. Shape (B, G, horizon, actions).
        """

    @abstractmethod
    def respond(self, question: TrainingBatch) -> Tensor:
        """Return what the head says, with gradient. Shape (B, G, horizon, actions)."""

    @abstractmethod
    def aim(self, said: Tensor, question: TrainingBatch) -> RegressionTarget:
        """Return what it should have said.

        Args:
            said: The response, without gradient.
            question: What it was the response to.
        """

    def loss(self, said: Tensor, goal: RegressionTarget) -> Tensor:
        """Return the mean squared difference in units of the goal's scale. Scalar."""
        return scaled_square(said, goal.value, goal.scale).mean()


def unit_target(value: Tensor, said: Tensor) -> RegressionTarget:
    """Return a goal in plain units."""
    ones = torch.ones_like(value[:, :1, :1, :1])
    return RegressionTarget(value, ones, (value - said).square().mean().sqrt())
