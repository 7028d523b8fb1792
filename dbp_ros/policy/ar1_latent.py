"""Latent noise of a policy as a first-order autoregressive (AR(1)) process."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.random_streams import RandomStream
from dbp_ros.types import NS_PER_S, Flags, Floats


class AR1Latent:
    """Stationary AR(1) process with standard normal marginals, of one latent or a batch.

    `z' = r z + sqrt(1 - r^2) x` with `r = exp(-dt / time_constant)` and `x ~ N(0, I)`. A latent
    that is resampled at each step makes a multimodal policy switch modes from chunk to chunk. A
    constant latent can select a mode that never moves. A time constant in between holds a mode
    for about that time.
    """

    def __init__(self, shape: tuple[int, ...], time_constant_s: float) -> None:
        """Start from an arbitrary seed; `reset` sets one.

        Args:
            shape: `(horizon, nu)`, with a batch axis in front for a batch.
            time_constant_s: Lag in [s] at which the correlation is 1/e; 0 for a constant latent.
        """
        self.shape = shape
        self._time_constant_s = time_constant_s
        self.reset(-1)

    def reset(self, seed: int) -> None:
        """Restart the process from a seed; a negative seed is unpredictable."""
        self.generator = RandomStream.LATENT.generator(seed)
        self.value = self._sample()
        self._time_ns: int | None = None

    def advance(self, dt: float, resampled: Flags | None = None) -> Floats:
        """Return the latent `dt` seconds later, as a new array. Shape `shape`.

        Args:
            dt: In [s], at least 0.
            resampled: Rows of a batch that restart with a new sample. Shape (batch,).
        """
        correlation = math.exp(-dt / self._time_constant_s) if self._time_constant_s else 1.0
        noise = self._sample()
        value = correlation * self.value + math.sqrt(1.0 - correlation**2) * noise
        if resampled is not None:
            value[resampled] = noise[resampled]
        self.value = value
        return value

    def advance_to(self, now_ns: int, real_time_factor: float = 1.0) -> Floats:
        """Return the latent at a time; the first call after `reset` returns the initial sample.

        Args:
            now_ns: Steady time, at any interval from the previous call.
            real_time_factor: Simulated seconds in one second of the steady clock.
        """
        last_ns, self._time_ns = self._time_ns, now_ns
        if last_ns is not None and self._time_constant_s:
            self.advance(max(0, now_ns - last_ns) * real_time_factor / NS_PER_S)
        return self.value

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return copies of the latent and of the state of the random generator."""
        state = json.dumps(self.generator.bit_generator.state).encode()
        return {"value": self.value.copy(), "generator": np.frombuffer(state, np.uint8).copy()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore a state of `state_dict`."""
        self.value = state["value"].astype(np.float32)
        self.generator.bit_generator.state = json.loads(state["generator"].tobytes())

    def _sample(self) -> Floats:
        return self.generator.standard_normal(self.shape, dtype=np.float32)
