"""Transitions: the data of every online algorithm."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from dbp_ros.errors import TrainingError

_PER_DECISION = {
    "log_prob": torch.float32,
    "executed": torch.int64,
    "reward": torch.float32,
    "terminated": torch.bool,
    "truncated": torch.bool,
    "version": torch.int64,
    "valid": torch.bool,
}


@dataclass(frozen=True)
class Transitions:
    """T consecutive decisions of each of N streams.

    A stream is an environment or a robot with consecutive episodes, also a recording of many
    episodes. The last decision of each episode is `terminated` or `truncated`. An episode may
    continue in the next batch.

    Attributes:
        observation: From `PolicyNetwork.observe`: normalised states, then the features of the
            frozen encoders. Shape (T, N, observation).
        latent: Latent of the chunk. Shape (T, N, horizon, nu).
        action: The sampled chunk, normalised, before the environment clips it. Point k is due k + 1
            steps after the observation. Shape (T, N, horizon, nu).
        log_prob: Log density of the executed points under the behaviour policy, summed over points
            and actions. Shape (T, N).
        executed: Number of executed points; fewer than planned at the end of an episode. Shape
            (T, N).
        reward: `sum gamma^k r_k` over the executed points, unscaled. Shape (T, N).
        terminated: Whether the episode ended in a terminal state. Shape (T, N).
        truncated: Whether a time limit or an operator ended it. Shape (T, N).
        successor: Observation after the last executed point, before any reset. Shape (T, N,
            observation).
        version: Of the behaviour policy. Shape (T, N).
        valid: False where the policy did not control the robot, as during an intervention. Such a
            decision is not used, and no advantage propagates across it. Shape (T, N).
    """

    observation: Tensor
    latent: Tensor
    action: Tensor
    log_prob: Tensor
    executed: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    successor: Tensor
    version: Tensor
    valid: Tensor

    def __post_init__(self) -> None:
        """Check shapes, types and values.

        Raises:
            TrainingError: With the field, the found and the expected value.
        """
        times = self.observation.shape[:2]
        for name, dtype in _PER_DECISION.items():
            value: Tensor = getattr(self, name)
            if value.shape != times or value.dtype != dtype:
                raise TrainingError(
                    f"{name} is {value.dtype} of shape {tuple(value.shape)}, expected {dtype} of "
                    f"shape {tuple(times)}: one for each decision"
                )
        for name, reference in (("successor", self.observation), ("latent", self.action)):
            value = getattr(self, name)
            if value.shape != reference.shape or value.shape[:2] != times:
                raise TrainingError(
                    f"{name} has shape {tuple(value.shape)}, expected {tuple(reference.shape)} "
                    f"with {tuple(times)} first"
                )
        horizon = self.action.shape[2]
        if self.executed.numel() and not 1 <= self.executed.min() <= self.executed.max() <= horizon:
            raise TrainingError(
                f"executed is from {int(self.executed.min())} to {int(self.executed.max())}, "
                f"expected from 1 to the horizon of {horizon}"
            )
        for item in fields(self):
            value = getattr(self, item.name)
            if not bool(torch.isfinite(value).all()):
                raise TrainingError(f"{item.name} is not finite: drop the episode")

    def __len__(self) -> int:
        return self.reward.numel()

    @property
    def ended(self) -> Tensor:
        """Whether the episode ended with the decision. Shape (T, N)."""
        return self.terminated | self.truncated

    @staticmethod
    def concatenate(parts: "list[Transitions]") -> "Transitions":
        """Concatenate consecutive parts of the same streams."""
        names = [item.name for item in fields(Transitions)]
        return Transitions(**{name: torch.cat([getattr(p, name) for p in parts]) for name in names})
