"""An exponential moving average of a network's weights."""

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


class ExponentialMovingAverage(Generic[Network]):
    """Exponential moving average of the weights, for validation and export.

    The decay rises with the number of updates, which is saved for a resumed run.
    """

    def __init__(self, network: Network, decay: float) -> None:
        """Start from a copy of `network`."""
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: Network) -> None:
        """Move the average towards the parameters of `network`."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        averages: list[Tensor] = list(self.network.parameters())
        newest: list[Tensor] = list(network.parameters())
        torch._foreach_lerp_(averages, newest, 1.0 - decay)
