"""The noise that a policy decides with: one walk through an episode, not a draw a decision."""

import math

import numpy as np

from dbp_ros.contract import Floats


class Latent:
    """An autoregressive walk whose every point is standard normal.

    `z' = r z + sqrt(1 - r^2) x` with `r = exp(-dt / memory)` and `x ~ N(0, I)`. With a new draw for
    each decision the arms would change their mind a hundred times a second; with one for the
    whole episode, where the demonstrations allow to wait or to go on, a latent that says "wait"
    would wait for ever. In between, a mode is kept for as long as it takes to commit to it.
    """

    def __init__(self, shape: tuple[int, int], memory_s: float, dt: float) -> None:
        """Prepare a walk; `draw` begins it.

        Args:
            shape: Horizon and number of joints.
            memory_s: Time in which a latent forgets itself, in [s]; 0 to hold it for ever.
            dt: Time between two steps, in [s].
        """
        self.shape = shape
        self._keep = math.exp(-dt / memory_s) if memory_s else 1.0
        self._renew = math.sqrt(1.0 - self._keep**2)
        self.draw(0)

    def draw(self, seed: int) -> None:
        """Begin anew from a seed, or from anywhere if it is negative."""
        self._rng = np.random.default_rng(None if seed < 0 else seed)
        self._value: Floats = self._rng.standard_normal(self.shape, dtype=np.float32)

    @property
    def value(self) -> Floats:
        """The latent for the next decision. Shape (horizon, nu)."""
        return self._value

    def step(self) -> Floats:
        """Return the latent for this decision and move on. Shape (horizon, nu)."""
        value = self._value
        if self._renew:
            fresh = self._rng.standard_normal(self.shape, dtype=np.float32)
            self._value = self._keep * value + self._renew * fresh
        return value
