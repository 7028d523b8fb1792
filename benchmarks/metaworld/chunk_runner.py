"""Receding-horizon execution of a policy in several Meta-World episodes at once."""

import numpy as np
import torch
from numpy.typing import NDArray

from dbp_ros.envs.hand_frame import to_hand_frame
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.types import Floats

N_ACTION_STEPS = 4


class ChunkRunner:
    """Executes the first steps of each chunk, then predicts the next chunk."""

    def __init__(self, policy: PolicyNetwork, episodes: int, seed: int) -> None:
        """Start `episodes` episodes."""
        self._policy = policy
        self._generator = torch.Generator().manual_seed(seed)
        self._history: Floats | None = None
        self._chunks = np.zeros((episodes, *policy.chunk_shape), np.float32)
        self._step = 0

    def act(self, states: Floats, live: NDArray[np.int64]) -> Floats:
        """Return the next action of each live episode.

        Args:
            states: Raw Meta-World observations. Shape (n, 39).
            live: Indices of their episodes; all episodes at the first call. Shape (n,).
        """
        states = to_hand_frame(states)
        if self._history is None:
            self._history = np.repeat(states[:, None], self._policy.history, axis=1)
        self._history[live] = np.concatenate([self._history[live, 1:], states[:, None]], axis=1)
        if self._step % N_ACTION_STEPS == 0:
            self._predict(live)
        actions: Floats = self._chunks[live, self._step % N_ACTION_STEPS]
        self._step += 1
        return actions

    @torch.no_grad()
    def _predict(self, live: NDArray[np.int64]) -> None:
        assert self._history is not None
        shape = (len(self._chunks), 1, *self._policy.chunk_shape)
        latent = torch.randn(shape, generator=self._generator)[live]
        chunks = self._policy.act(torch.from_numpy(self._history[live]), {}, latent)
        self._chunks[live] = chunks[:, 0].numpy()
