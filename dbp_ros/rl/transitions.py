"""What was decided, what came of it, and what a learner needs to learn from it."""

from dataclasses import dataclass, fields, replace

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
    """Decisions of N streams, T in a row each: `[t + 1, n]` was decided after `[t, n]`.

    A stream is one environment or one robot. Its episodes follow one another; the last decision
    of each is `terminated` or `truncated`. After the last row a stream may go on in the next
    batch: nothing is marked there. One recording of many episodes is one stream, N = 1.

    Attributes:
        observation: What the head was given, from `Policy.observe`: normalised states, then the
            features of the frozen encoders. Shape (T, N, observation).
        latent: What the chunk was made from; part of the decision. Shape (T, N, horizon, nu).
        action: The sampled chunk, normalised, as sampled: clipping it is the environment's part
            of the world. Point k is due k + 1 steps after the observation. Shape (T, N, horizon,
            nu).
        log_prob: Natural logarithm of the density with which the behaviour sampled the points
            that were played, summed over points and actions. Shape (T, N).
        executed: How many points were played, from the first on; fewer than planned where the
            episode ended in between. Shape (T, N).
        reward: `sum gamma^k r_k` over the points played, unscaled. Shape (T, N).
        terminated: Whether the episode ended in a state that has no future. Shape (T, N).
        truncated: Whether it was cut short, by a time limit or an operator. Shape (T, N).
        successor: The observation after the last point played, the true one also where the
            episode ended. Shape (T, N, observation).
        version: Of the policy that decided. Shape (T, N).
        valid: False where something else than the policy moved the robot, a human for example:
            such a decision is not learned from, and no credit flows back over it. Shape (T, N).
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
        """Refuse tensors that do not belong together.

        Raises:
            TrainingError: Names the field, what it is and what it should be.
        """
        times = self.observation.shape[:2]
        for name, kind in _PER_DECISION.items():
            value: Tensor = getattr(self, name)
            if value.shape != times or value.dtype != kind:
                raise TrainingError(
                    f"{name} is {value.dtype} of shape {tuple(value.shape)}, expected {kind} of "
                    f"shape {tuple(times)}: one for each decision"
                )
        for name, like in (("successor", self.observation), ("latent", self.action)):
            value = getattr(self, name)
            if value.shape != like.shape or value.shape[:2] != times:
                raise TrainingError(
                    f"{name} has shape {tuple(value.shape)}, expected {tuple(like.shape)} with "
                    f"{tuple(times)} first"
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
    def in_a_row(parts: "list[Transitions]") -> "Transitions":
        """Return parts of the same streams one after another in time."""
        names = [item.name for item in fields(Transitions)]
        return Transitions(**{name: torch.cat([getattr(p, name) for p in parts]) for name in names})

    def without(self, rejected: Tensor) -> "Transitions":
        """Return the same decisions with some not to be learned from. Shape (T, N), bool."""
        return replace(self, valid=self.valid & ~rejected)
