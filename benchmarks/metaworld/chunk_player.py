"""A policy at play in several episodes of Meta-World at once."""

import numpy as np
import torch
from numpy.typing import NDArray

from dbp_ros.envs.hand_frame import to_hand_frame
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.types import Floats

EXECUTED = 4


class ChunkPlayer:
    """Plays a policy's chunks in several episodes at once: decides, executes, decides again."""

    def __init__(self, policy: PolicyNetwork, episodes: int, seed: int) -> None:
        """Start `episodes` episodes."""
        self._policy = policy
        self._chance = torch.Generator().manual_seed(seed)
        self._past: Floats | None = None
        self._chunks = np.zeros((episodes, *policy.chunk_shape), np.float32)
        self._step = 0

    def act(self, states: Floats, live: NDArray[np.int64]) -> Floats:
        """Return the next action of each live episode.

        Args:
            states: As Meta-World observes them. Shape (n, 39).
            live: Which episodes they belong to; all of them at the first call. Shape (n,).
        """
        states = to_hand_frame(states)
        if self._past is None:
            self._past = np.repeat(states[:, None], self._policy.history, axis=1)
        self._past[live] = np.concatenate([self._past[live, 1:], states[:, None]], axis=1)
        if self._step % EXECUTED == 0:
            self._decide(live)
        actions: Floats = self._chunks[live, self._step % EXECUTED]
        self._step += 1
        return actions

    @torch.no_grad()
    def _decide(self, live: NDArray[np.int64]) -> None:
        assert self._past is not None
        shape = (len(self._chunks), 1, *self._policy.chunk_shape)
        latent = torch.randn(shape, generator=self._chance)[live]
        chunks = self._policy.act(torch.from_numpy(self._past[live]), {}, latent)
        self._chunks[live] = chunks[:, 0].numpy()
