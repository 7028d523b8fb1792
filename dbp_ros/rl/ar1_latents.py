"""AR(1) latents of parallel episodes."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor


class AR1Latents:
    """Independent AR(1) processes with a standard normal marginal, as on a robot.

    `z' = r z + sqrt(1 - r^2) x` with `r = exp(-dt / time_constant)`. Independent latents would
    switch between modes at every chunk.
    """

    def __init__(
        self, count: int, chunk: tuple[int, int], time_constant_s: float, dt: float, seed: int
    ) -> None:
        """Sample the first latents.

        Args:
            count: Number of processes.
            chunk: Horizon and number of actions.
            time_constant_s: Correlation time; 0 for a constant latent.
            dt: Time between two decisions, in [s].
            seed: Of all processes.
        """
        self._correlation = math.exp(-dt / time_constant_s) if time_constant_s else 1.0
        self._noise_std = math.sqrt(1.0 - self._correlation**2)
        self._generator = torch.Generator().manual_seed(seed)
        self.value = torch.randn(count, *chunk, generator=self._generator)

    def step(self, reset: Tensor) -> Tensor:
        """Advance by one decision.

        Args:
            reset: Where to sample an independent latent. Shape (count,), bool.

        Returns:
            Shape (count, horizon, nu).
        """
        noise = torch.randn(self.value.shape, generator=self._generator)
        correlated = self._correlation * self.value + self._noise_std * noise
        self.value = torch.where(reset[:, None, None], noise, correlated)
        return self.value

    def state_dict(self) -> dict[str, Tensor]:
        """Return the latents and the state of the generator."""
        return {"value": self.value.clone(), "generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore a state."""
        self.value = state["value"].clone()
        self._generator.set_state(state["generator"])
