"""The latents of many episodes side by side, each a walk of its own."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor


class AR1Latents:
    """Autoregressive walks whose every point is standard normal, as a deployed policy walks.

    `z' = r z + sqrt(1 - r^2) x` with `r = exp(-dt / memory)`: with a new latent for each decision
    a policy of two modes would change its mind at every chunk.
    """

    def __init__(
        self, walks: int, chunk: tuple[int, int], memory_s: float, dt: float, seed: int
    ) -> None:
        """Begin walks.

        Args:
            walks: How many.
            chunk: Horizon and number of actions.
            memory_s: Time in which a latent forgets itself, in [s]; 0 to hold it.
            dt: Time between two decisions, in [s].
            seed: Of all of them.
        """
        self._keep = math.exp(-dt / memory_s) if memory_s else 1.0
        self._renew = math.sqrt(1.0 - self._keep**2)
        self._chance = torch.Generator().manual_seed(seed)
        self.value = torch.randn(walks, *chunk, generator=self._chance)

    def step(self, begun: Tensor) -> Tensor:
        """Move on, with a new draw where an episode has just begun.

        Args:
            begun: Shape (walks,), bool.

        Returns:
            Shape (walks, horizon, nu).
        """
        fresh = torch.randn(self.value.shape, generator=self._chance)
        further = self._keep * self.value + self._renew * fresh
        self.value = torch.where(begun[:, None, None], fresh, further)
        return self.value

    def state_dict(self) -> dict[str, Tensor]:
        """Return where the walks are, and where their chance is."""
        return {"value": self.value.clone(), "chance": self._chance.get_state()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        self.value = state["value"].clone()
        self._chance.set_state(state["chance"])
