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
        measured: Newest states of the rows at which the chunks begin. Shape (B, P, ns).
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
        return self._each(lambda value: value[start:end])

    def to(self, device: torch.device) -> "DemonstrationBatch":
        """Return the batch on a device."""
        return self._each(lambda value: value.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "DemonstrationBatch":
        return DemonstrationBatch(
            states=change(self.states),
            images={name: change(image) for name, image in self.images.items()},
            points={name: change(cloud) for name, cloud in self.points.items()},
            measured=change(self.measured),
            actions=change(self.actions),
            weights=change(self.weights),
        )
