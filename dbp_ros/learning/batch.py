"""A batch of demonstrations as tensors."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class DemonstrationBatch:
    """Observations with their demonstrated chunks.

    Attributes:
        states: Oldest first, in [rad] and [m]. Shape (B, history, ns).
        images: rgb8 of each camera, uint8. Shapes (B, history, height, width, 3).
        points: Point clouds of each sensor. Shapes (B, history, points, channels).
        measured: States of the first row of each chunk. Shape (B, P, ns).
        actions: Absolute; the observation's own first, then its neighbours'.
            Shape (B, P, horizon, nu).
        weights: Of the chunks. Shape (B, P).
    """

    states: Tensor
    images: dict[str, Tensor]
    points: dict[str, Tensor]
    measured: Tensor
    actions: Tensor
    weights: Tensor

    def rows(self, start: int, end: int) -> "DemonstrationBatch":
        """Return the rows from `start` to before `end`."""
        return self._apply(lambda value: value[start:end])

    def to(self, device: torch.device) -> "DemonstrationBatch":
        """Return the batch on a device."""
        return self._apply(lambda value: value.to(device))

    def _apply(self, function: Callable[[Tensor], Tensor]) -> "DemonstrationBatch":
        return DemonstrationBatch(
            states=function(self.states),
            images={name: function(image) for name, image in self.images.items()},
            points={name: function(cloud) for name, cloud in self.points.items()},
            measured=function(self.measured),
            actions=function(self.actions),
            weights=function(self.weights),
        )
