"""The seam between whatever collects decisions and every online algorithm."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.rl.config import FinetuneConfig
from dbp_ros.rl.gaussian_chunk import over_played
from dbp_ros.rl.transitions import Transitions

Statistics = dict[str, float]


@dataclass(frozen=True)
class ExploredBatch:
    """Chunks to try.

    Attributes:
        action: Normalised, not clipped. Shape (B, horizon, nu).
        point_log_prob: Log density of each point. Shape (B, horizon).
    """

    action: Tensor
    point_log_prob: Tensor

    def log_prob(self, executed: Tensor) -> Tensor:
        """Return the log density of the points that were played. Shape (B,)."""
        return over_played(self.point_log_prob, executed)


class Learner(ABC):
    """An algorithm at work on one policy.

    Attributes:
        config: Its settings.
        version: How often the policy has changed; decisions carry it.
    """

    config: FinetuneConfig
    version: int

    @property
    @abstractmethod
    def policy(self) -> PolicyNetwork:
        """The policy as it is now, to observe with and to deploy. Not a copy."""

    @property
    def step_discount(self) -> float:
        """Discount of a reward one control step later within a chunk, for `Transitions.reward`."""
        return self.config.gamma

    @abstractmethod
    def explore(
        self, observation: Tensor, latent: Tensor, chance: torch.Generator
    ) -> ExploredBatch:
        """Return chunks to learn from, without gradient.

        Args:
            observation: From `PolicyNetwork.observe`. Shape (B, observation).
            latent: Shape (B, horizon, nu).
            chance: Source of the exploration.
        """

    @abstractmethod
    def decide(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Return the chunks that are deployed, without exploration. Shape (B, horizon, nu)."""

    @abstractmethod
    def update(self, transitions: Transitions) -> Statistics:
        """Learn from a batch; what cannot be learned from is left out.

        Returns:
            Numbers for a log, the same names every time.

        Raises:
            TrainingError: If nothing in it can be learned from, or the policy left the finite.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """Return all that changes, by flat names: a file of safetensors holds it."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a state: the next update is, to the bit, the one that was not made."""
