"""The batch of a PPO update and its reference."""

from dataclasses import dataclass

from torch import Tensor

from dbp_ros.errors import TrainingError
from dbp_ros.rl.advantages import AdvantageEstimate
from dbp_ros.rl.gaussian_chunk import GaussianChunk
from dbp_ros.rl.transitions import Transitions

# Rows of a batch, one tensor for each minibatch.
Rows = tuple[Tensor, ...]


@dataclass(frozen=True)
class PPOBatch:
    """Decisions of an update, flattened.

    Attributes:
        observation: Shape (B, observation).
        latent: Shape (B, horizon, nu).
        action: Shape (B, horizon, nu).
        executed: Shape (B,).
        log_prob: Of the behaviour policy, as recorded. Shape (B,).
        on_policy: Whether the current policy was the behaviour policy. Shape (B,).
        advantages: Normalised. Shape (B,).
        returns: Shape (B,).
    """

    observation: Tensor
    latent: Tensor
    action: Tensor
    executed: Tensor
    log_prob: Tensor
    on_policy: Tensor
    advantages: Tensor
    returns: Tensor

    def __len__(self) -> int:
        return len(self.returns)


@dataclass(frozen=True)
class Reference:
    """The policy before the update, on the decisions of the batch.

    Attributes:
        distribution: Of the chunks.
        log_prob: Of the actions. Shape (B,).
        importance: Importance ratio to the behaviour policy, truncated at 1. Shape (B,).
        anchor: Chunks of the pretrained policy. Shape (B, horizon, nu).
    """

    distribution: GaussianChunk
    log_prob: Tensor
    importance: Tensor
    anchor: Tensor


def usable_decisions(transitions: Transitions, version: int, max_age: int) -> Tensor:
    """Return which decisions are valid and recent enough. Shape (T, N), bool.

    Args:
        transitions: Of shape (T, N).
        version: Of the current policy.
        max_age: Versions by which the policy of a decision may be older.

    Raises:
        TrainingError: If there is none.
    """
    age = version - transitions.version
    fresh = (age >= 0) & (age <= max_age)
    usable = transitions.valid & fresh
    if not bool(usable.any()):
        raise TrainingError(
            f"none of {len(transitions)} decisions is usable: "
            f"{int((~transitions.valid).sum())} are masked as invalid, "
            f"{int((~fresh).sum())} are not of version {version} or up to {max_age} older"
        )
    return usable


def ppo_batch(
    transitions: Transitions, estimate: AdvantageEstimate, used: Tensor, version: int
) -> PPOBatch:
    """Select the decisions of an update and normalise their advantages.

    Args:
        transitions: Of shape (T, N).
        estimate: Their advantages.
        used: Which decisions to use. Shape (T, N), bool.
        version: Of the current policy.
    """
    advantages = estimate.advantages[used]
    std = advantages.std(correction=0) + 1e-8
    return PPOBatch(
        observation=transitions.observation[used],
        latent=transitions.latent[used],
        action=transitions.action[used],
        executed=transitions.executed[used],
        log_prob=transitions.log_prob[used],
        on_policy=transitions.version[used] == version,
        advantages=(advantages - advantages.mean()) / std,
        returns=estimate.returns[used],
    )
