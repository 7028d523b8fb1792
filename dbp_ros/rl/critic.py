"""How much an observation promises."""

from itertools import pairwise

from torch import Tensor, nn


class Critic(nn.Module):
    """From an observation, as the policy's head sees it, to the return that may be expected.

    Normalised layers bound what it says of places where it has not been (arXiv 2302.02948). A
    truncated episode is worth what its last state promises; where a failing policy drifts away,
    a critic that extrapolates in a straight line would promise more with every update.
    """

    def __init__(self, observation: int, widths: tuple[int, ...]) -> None:
        """Build a critic with hidden layers of these widths."""
        super().__init__()
        layers: list[nn.Module] = []
        for size, width in pairwise((observation, *widths)):
            layers += [nn.Linear(size, width), nn.LayerNorm(width), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def forward(self, observation: Tensor) -> Tensor:
        """Return values. Shape (..., observation) to (...)."""
        value: Tensor = self.layers(observation)
        return value.squeeze(-1)
