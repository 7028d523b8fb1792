"""One-step generators from noise and an observation to an action chunk, around any network."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

SKIP_STD = 0.5
# Annealed temperatures find the far modes; a wider skip connection adds noise within a mode.
GENERATOR_SKIP_STD = 0.1
# Larger than the rest of the input, so that the component decides the mode.
COMPONENT_SCALE = 6.0


class NoiseSkip(nn.Module):
    """Noise skip connection: a learned multiple of the noise, added to a network's output.

    The initial samples cover half of the action range. With a narrow initialisation the
    demonstrations of a distant mode exert no force, and the generator may collapse to one mode
    (see `fields.drifting`).
    """

    def __init__(self, horizon: int, actions: int, std: float = SKIP_STD) -> None:
        """Build a skip connection.

        Args:
            horizon: Points in a chunk.
            actions: Numbers in a point.
            std: Initial standard deviation of the samples, in normalised actions.
        """
        super().__init__()
        self.std = nn.Parameter(torch.full((horizon, actions), std))

    def forward(self, noise: Tensor) -> Tensor:
        """Return the noise added to a chunk. Shape (..., horizon, actions)."""
        return self.std * noise


class OneStepGenerator(nn.Module):
    """`x = std * z + network(o, z, component of z)`, around a network of any kind.

    A continuous map of Gaussian noise has samples between the modes, and training removes them
    slowly. The network therefore also receives a one-hot component: the interval of equal
    probability that contains a projection of the noise. Samples of one component stay in one
    mode. The component depends on the noise only, so a generator is a function of (o, z).

    Attributes:
        network: Takes (..., `input_size`) numbers and returns (..., horizon * actions).
        noise_skip: The skip connection.
    """

    def __init__(
        self,
        network: nn.Module,
        horizon: int,
        actions: int,
        *,
        num_components: int = 16,
        skip_std: float = GENERATOR_SKIP_STD,
    ) -> None:
        """Wrap a network; see `input_size` and `mlp`.

        Args:
            network: Any module from (..., `input_size`) to (..., horizon * actions).
            horizon: Points in a chunk.
            actions: Numbers in a point.
            num_components: Components of the noise; 1 for none.
            skip_std: Initial standard deviation of the samples, in normalised actions.
        """
        super().__init__()
        self.network = network
        self.noise_skip = NoiseSkip(horizon, actions, skip_std)
        self.horizon, self.actions, self.num_components = horizon, actions, num_components

    @staticmethod
    def input_size(
        observation_size: int, horizon: int, actions: int, num_components: int = 16
    ) -> int:
        """Return the size of the network's input."""
        return observation_size + horizon * actions + num_components

    @classmethod
    def mlp(
        cls,
        observation_size: int,
        horizon: int,
        actions: int,
        *,
        width: int = 256,
        depth: int = 3,
        num_components: int = 16,
    ) -> "OneStepGenerator":
        """Return a generator around a plain network of `depth` hidden layers."""
        first = cls.input_size(observation_size, horizon, actions, num_components)
        sizes = [first, *[width] * depth]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.SiLU()]
        network = nn.Sequential(*layers, nn.Linear(width, horizon * actions))
        return cls(network, horizon, actions, num_components=num_components)

    def noise(self, batch_size: int, num_samples: int = 8) -> Tensor:
        """Return standard normal noise. Shape (batch_size, num_samples, horizon, actions)."""
        shape = (batch_size, num_samples, self.horizon, self.actions)
        weight = self.noise_skip.std
        return torch.randn(*shape, dtype=weight.dtype, device=weight.device)

    def forward(self, observation: Tensor, noise: Tensor) -> Tensor:
        """Return one chunk for each noise.

        Args:
            observation: Shape (B, observation).
            noise: Standard normal. Shape (B, G, horizon, actions).

        Returns:
            Normalised actions. Shape (B, G, horizon, actions).
        """
        if noise.ndim != 4 or noise.shape[2:] != (self.horizon, self.actions):
            raise ValueError(
                f"expected noise of shape (B, G, {self.horizon}, {self.actions}), got "
                f"{tuple(noise.shape)}: use noise(batch_size, num_samples)"
            )
        observations = observation[:, None].expand(-1, noise.shape[1], -1)
        parts = [
            observations,
            noise.flatten(2),
            COMPONENT_SCALE * components(noise, self.num_components),
        ]
        chunks: Tensor = self.network(torch.cat(parts, dim=-1))
        skip: Tensor = self.noise_skip(noise)
        return skip + chunks.reshape(noise.shape)


def components(noise: Tensor, count: int) -> Tensor:
    """Return the component of each noise, one-hot: `floor(count * Phi(sum(z) / sqrt(S)))`.

    `Phi` is the normal distribution function, so every component has the same probability.

    Args:
        noise: Standard normal. Shape (..., horizon, actions).
        count: Number of components.

    Returns:
        Shape (..., count).
    """
    flat = noise.flatten(-2)
    projected = flat.sum(-1) / flat.shape[-1] ** 0.5
    quantile = 0.5 + 0.5 * torch.erf(projected / math.sqrt(2.0))
    index = (count * quantile).long().clamp(0, count - 1)
    one_hot: Tensor = functional.one_hot(index, count)
    return one_hot.to(noise.dtype)
