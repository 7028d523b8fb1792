"""The value function."""

from itertools import pairwise

from torch import Tensor, nn


class Critic(nn.Module):
    """Value of an observation of the policy's head.

    Layer normalisation bounds the extrapolation (arXiv 2302.02948). Without it the bootstrapped
    value of a truncated episode grows with every update when a failing policy leaves the data.
    """

    def __init__(self, observation: int, widths: tuple[int, ...]) -> None:
        """Build the network with hidden layers of these widths."""
        super().__init__()
        layers: list[nn.Module] = []
        for size, width in pairwise((observation, *widths)):
            layers += [nn.Linear(size, width), nn.LayerNorm(width), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def forward(self, observation: Tensor) -> Tensor:
        """Return values. Shape (..., observation) to (...)."""
        value: Tensor = self.layers(observation)
        return value.squeeze(-1)
