"""Interface of online learning algorithms."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.rl.gaussian_chunk import sum_executed
from dbp_ros.rl.transitions import Transitions
from dbp_ros.settings.finetune import FinetuneConfig

Statistics = dict[str, float]


@dataclass(frozen=True)
class ExploredBatch:
    """Sampled chunks with their densities.

    Attributes:
        action: Normalised, not clipped. Shape (B, horizon, nu).
        point_log_prob: Log density of each point. Shape (B, horizon).
    """

    action: Tensor
    point_log_prob: Tensor

    def log_prob(self, executed: Tensor) -> Tensor:
        """Return the log density of the executed points. Shape (B,)."""
        return sum_executed(self.point_log_prob, executed)


class Learner(ABC):
    """Online learning algorithm with its policy.

    Attributes:
        config: Settings.
        version: Number of policy updates; recorded with each decision.
    """

    config: FinetuneConfig
    version: int

    @property
    @abstractmethod
    def policy(self) -> PolicyNetwork:
        """The current policy, not a copy."""

    @property
    def step_discount(self) -> float:
        """Discount per control step within a chunk, for `Transitions.reward`."""
        return self.config.gamma

    @abstractmethod
    def explore(
        self, observation: Tensor, latent: Tensor, generator: torch.Generator
    ) -> ExploredBatch:
        """Return chunks with exploration, without gradient.

        Args:
            observation: From `PolicyNetwork.observe`. Shape (B, observation).
            latent: Shape (B, horizon, nu).
            generator: Source of the exploration noise.
        """

    @abstractmethod
    def act(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Return normalised chunks without exploration. Shape (B, horizon, nu)."""

    @abstractmethod
    def update(self, transitions: Transitions) -> Statistics:
        """Make an update with the usable transitions.

        Returns:
            Statistics for the log; always the same names.

        Raises:
            TrainingError: If no transition is usable, or a loss is not finite.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """Return the state by flat names, for a safetensors file."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a state; the next update is bit-identical to that of the saved learner."""
