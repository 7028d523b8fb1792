"""DBPO by the rules of its published code, to be compared with; nothing else should use it.

What that code (arXiv 2604.03540) does otherwise than `ppo.py`, and what it leads to:

- the sample is clamped, to 3 sigma and to the range of actions, and scored as if it were not;
- the log of sigma starts on its lower bound, a hard clamp, and stays there once it is below;
- log-probabilities are means over the numbers of a chunk, not sums, and at least -2; so the ratio
  is a root of the true one. Points that were not played count;
- a time limit counts as a failure; rewards in a chunk are not discounted, and are divided by their
  deviation in this batch;
- one minibatch holds everything; the divergence, an estimate from that root, is tested when the
  step is made;
- the anchor holds the whole chunk, by a constant weight.

Its learning of the scales of observations and actions is left out: here they are no parameters.
So are its learning rates and their schedule, which are made for a hundred million steps.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.rl.advantages import AdvantageEstimate, estimate_advantages
from dbp_ros.rl.config import FinetuneConfig
from dbp_ros.rl.gaussian_chunk import GaussianChunk
from dbp_ros.rl.ppo import PPOLearner
from dbp_ros.rl.ppo_batch import PPOBatch, Reference
from dbp_ros.rl.stochastic_policy import StochasticPolicy
from dbp_ros.rl.transitions import Transitions

SIGMA_LOW, SIGMA_HIGH = 0.03, 0.10
CLIP_RATIO = 0.02
KL_TARGET = 0.02
ENTROPY_WEIGHT, ANCHOR_WEIGHT = 0.01, 1.0
LEAST_LOG_PROB = -2.0
EPOCHS = 5


class ClampedSigma(nn.Module):
    """The standard deviation between two hard bounds, at the start on the lower one."""

    def __init__(self, observation: int, chunk: tuple[int, int]) -> None:
        """Build a head for chunks of shape (horizon, nu)."""
        super().__init__()
        self._chunk = chunk
        self.linear = nn.Linear(observation, chunk[0] * chunk[1])
        nn.init.zeros_(self.linear.weight)
        nn.init.constant_(self.linear.bias, math.log(SIGMA_LOW))

    def forward(self, observation: Tensor) -> Tensor:
        """Return log sigma. Shape (B, observation) to (B, horizon, nu)."""
        said: Tensor = self.linear(observation)
        return said.clamp(math.log(SIGMA_LOW), math.log(SIGMA_HIGH)).reshape(-1, *self._chunk)


@dataclass(frozen=True)
class AveragedChunk(GaussianChunk):
    """A clamped sample with the averaged density of one that is not.

    Attributes:
        planned: Points that are played unless the episode ends.
    """

    planned: int

    def sample(self, chance: torch.Generator) -> Tensor:
        """Return clamped samples; see `GaussianChunk.sample`."""
        reach = 3.0 * self.log_sigma.exp()
        near = torch.maximum(super().sample(chance), self.mean - reach)
        return torch.minimum(near, self.mean + reach).clamp(-1.0, 1.0)

    def log_prob(self, action: Tensor, executed: Tensor) -> Tensor:
        """Return the mean log density over the planned points. Shape (B,)."""
        points = self.point_log_prob(action)[:, : self.planned]
        return (points.mean(1) / action.shape[2]).clamp(min=LEAST_LOG_PROB)

    def entropy(self) -> Tensor:
        """Return the mean entropy of a number. Shape (B,)."""
        return self.log_sigma[:, : self.planned].mean((1, 2)) + 0.5 * math.log(2 * math.pi * math.e)


class PublishedPolicy(StochasticPolicy):
    """The exploring policy as published."""

    def __init__(self, policy: PolicyNetwork, config: FinetuneConfig) -> None:
        """Copy a trained policy."""
        super().__init__(policy, config)
        self.spread = ClampedSigma(policy.observation_size, policy.chunk_shape)
        self._planned = config.n_action_steps

    def forward(self, observation: Tensor, latent: Tensor) -> AveragedChunk:
        """Return the law of the chunk; see `StochasticPolicy.forward`."""
        law = super().forward(observation, latent)
        return AveragedChunk(law.mean, law.log_sigma, self._planned)


class PublishedLearner(PPOLearner):
    """The learner as published."""

    def _actor_of(self, policy: PolicyNetwork) -> StochasticPolicy:
        return PublishedPolicy(policy, self.config)

    @property
    def step_discount(self) -> float:
        """Rewards in a chunk are summed as they are."""
        return 1.0

    @torch.no_grad()
    def _estimate(self, transitions: Transitions, used: Tensor) -> AdvantageEstimate:
        scale = transitions.reward.std() + 1e-8
        return estimate_advantages(
            transitions.reward / scale,
            self.critic(transitions.observation),
            self.critic(transitions.successor),
            torch.full_like(transitions.reward, self.config.gamma),
            transitions.ended,
            ~transitions.ended,
            self.config.trace,
        )

    def _batches(self, count: int) -> tuple[Tensor, ...]:
        return (torch.randperm(count, generator=self._chance),)

    def _improve(self, lessons: PPOBatch, reference: Reference, batches: tuple[Tensor, ...]) -> int:
        for step in range(EPOCHS):
            law = self.actor(lessons.observation, lessons.latent)
            moved = law.log_prob(lessons.action, lessons.executed) - reference.log_prob
            ratio, gain = moved.exp(), lessons.advantages
            kept = ratio.clamp(1.0 - CLIP_RATIO, 1.0 + CLIP_RATIO)
            apart = (law.mean - reference.imitated).square().mean()
            loss = -torch.minimum(ratio * gain, kept * gain).mean()
            loss = loss - ENTROPY_WEIGHT * law.entropy().mean() + ANCHOR_WEIGHT * apart
            self._step(loss, self.actor, self._actor_optimiser)
            if bool((ratio - 1.0 - moved).mean() > KL_TARGET):
                return step + 1
        return EPOCHS
