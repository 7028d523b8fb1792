"""The noise that a policy decides with: one walk through an episode, not a draw a decision."""

import math

import numpy as np

from dbp_ros.types import NS_PER_S, Floats


class AR1Latent:
    """An autoregressive walk whose every point is standard normal.

    `z' = r z + sqrt(1 - r^2) x` with `r = exp(-dt / memory)` and `x ~ N(0, I)`, where `dt` is the
    time from decision to decision. With a new draw for
    each decision the arms would change their mind a hundred times a second; with one for the
    whole episode, where the demonstrations allow to wait or to go on, a latent that says "wait"
    would wait for ever. In between, a mode is kept for as long as it takes to commit to it.
    """

    def __init__(self, shape: tuple[int, int], memory_s: float) -> None:
        """Prepare a walk; `draw` begins it.

        Args:
            shape: Horizon and number of joints.
            memory_s: Time in which a latent forgets itself, in [s]; 0 to hold it for ever.
        """
        self.shape = shape
        self._memory_s = memory_s
        self.draw(0)

    def draw(self, seed: int) -> None:
        """Begin anew from a seed, or from anywhere if it is negative."""
        self._rng = np.random.default_rng(None if seed < 0 else seed)
        self._value: Floats = self._rng.standard_normal(self.shape, dtype=np.float32)
        self._time_ns: int | None = None

    @property
    def value(self) -> Floats:
        """The latent of the last decision. Shape (horizon, nu)."""
        return self._value

    def at(self, now_ns: int, factor: float = 1.0) -> Floats:
        """Walk on to the time of a decision and return its latent. Shape (horizon, nu).

        Decisions need not come once a period. The first one after `draw` gets what was drawn.

        Args:
            now_ns: The steady time.
            factor: Seconds of a simulator that pass in one of the steady clock.
        """
        if self._time_ns is not None and self._memory_s:
            dt = max(0, now_ns - self._time_ns) * factor / NS_PER_S
            keep = math.exp(-dt / self._memory_s)
            fresh = self._rng.standard_normal(self.shape, dtype=np.float32)
            self._value = keep * self._value + math.sqrt(1.0 - keep**2) * fresh
        self._time_ns = now_ns
        return self._value
