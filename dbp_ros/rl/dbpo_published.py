"""DBPO as in its published code, for comparison only.

Differences of that code (arXiv 2604.03540) from `ppo.py`:

- the sample is clamped to 3 sigma and to the range of actions, but has the density of an unclamped
  one;
- log sigma starts at its lower bound, a clamp without a gradient below it;
- log-probabilities are means over the numbers of a chunk, not sums, and at least -2; the ratio is a
  root of the density ratio. Points that were not executed count;
- a time limit terminates; rewards within a chunk are not discounted, and are divided by their
  standard deviation in the batch;
- one minibatch holds the whole batch; the KL, estimated from that root, is tested after the step;
- the anchor acts on the whole chunk with a constant weight.

Not implemented: its independent latent of each decision, here an AR(1) process over
`latent_time_constant_s`; its trained normalisation of observations and actions; and its learning
rates with their schedule, which are for a hundred million steps.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.rl.advantages import AdvantageEstimate, estimate_advantages
from dbp_ros.rl.gaussian_chunk import GaussianChunk
from dbp_ros.rl.ppo import PPOLearner
from dbp_ros.rl.ppo_batch import PPOBatch, Reference, Rows
from dbp_ros.rl.stochastic_policy import StochasticPolicy
from dbp_ros.rl.transitions import Transitions
from dbp_ros.settings.finetune import FinetuneConfig

MIN_SIGMA, MAX_SIGMA = 0.03, 0.10
CLIP_RATIO = 0.02
TARGET_KL = 0.02
ENTROPY_WEIGHT, ANCHOR_WEIGHT = 0.01, 1.0
MIN_LOG_PROB = -2.0
NUM_LEARNING_EPOCHS = 5


class ClampedSigma(nn.Module):
    """Standard deviation, clamped between two bounds, starting at the lower one."""

    def __init__(self, observation: int, chunk: tuple[int, int]) -> None:
        """Build a head for chunks of shape (horizon, nu)."""
        super().__init__()
        self._chunk = chunk
        self.linear = nn.Linear(observation, chunk[0] * chunk[1])
        nn.init.zeros_(self.linear.weight)
        nn.init.constant_(self.linear.bias, math.log(MIN_SIGMA))

    def forward(self, observation: Tensor) -> Tensor:
        """Return log sigma. Shape (B, observation) to (B, horizon, nu)."""
        log_sigma: Tensor = self.linear(observation)
        return log_sigma.clamp(math.log(MIN_SIGMA), math.log(MAX_SIGMA)).reshape(-1, *self._chunk)


@dataclass(frozen=True)
class AveragedChunk(GaussianChunk):
    """Chunk distribution with clamped samples and the averaged density of unclamped ones.

    Attributes:
        planned: Points that are executed unless the episode ends.
    """

    planned: int

    def sample(self, generator: torch.Generator) -> Tensor:
        """Return clamped samples; see `GaussianChunk.sample`."""
        limit = 3.0 * self.log_sigma.exp()
        clipped = torch.maximum(super().sample(generator), self.mean - limit)
        return torch.minimum(clipped, self.mean + limit).clamp(-1.0, 1.0)

    def log_prob(self, action: Tensor, executed: Tensor) -> Tensor:
        """Return the mean log density over the planned points. Shape (B,)."""
        points = self.point_log_prob(action)[:, : self.planned]
        return (points.mean(1) / action.shape[2]).clamp(min=MIN_LOG_PROB)

    def entropy(self) -> Tensor:
        """Return the mean entropy of a number. Shape (B,)."""
        return self.log_sigma[:, : self.planned].mean((1, 2)) + 0.5 * math.log(2 * math.pi * math.e)


class PublishedPolicy(StochasticPolicy):
    """Stochastic policy of the published code."""

    def __init__(self, policy: PolicyNetwork, config: FinetuneConfig) -> None:
        """Copy a trained policy."""
        super().__init__(policy, config)
        self.log_std_head = ClampedSigma(policy.observation_size, policy.chunk_shape)
        self._planned = config.n_action_steps

    def forward(self, observation: Tensor, latent: Tensor) -> AveragedChunk:
        """Return the distribution of the chunk; see `StochasticPolicy.forward`."""
        distribution = super().forward(observation, latent)
        return AveragedChunk(distribution.mean, distribution.log_sigma, self._planned)


class PublishedLearner(PPOLearner):
    """Learner of the published code."""

    def _build_actor(self, policy: PolicyNetwork) -> StochasticPolicy:
        return PublishedPolicy(policy, self.config)

    @property
    def step_discount(self) -> float:
        """No discount within a chunk; see `Learner.step_discount`."""
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
            self.config.gae_lambda,
        )

    def _minibatches(self, count: int) -> Rows:
        return (torch.randperm(count, generator=self._generator),)

    def _update_actor(self, batch: PPOBatch, reference: Reference, minibatches: Rows) -> int:
        for step in range(NUM_LEARNING_EPOCHS):
            distribution = self.actor(batch.observation, batch.latent)
            log_ratio = distribution.log_prob(batch.action, batch.executed) - reference.log_prob
            ratio, gain = log_ratio.exp(), batch.advantages
            clipped = ratio.clamp(1.0 - CLIP_RATIO, 1.0 + CLIP_RATIO)
            penalty = (distribution.mean - reference.anchor).square().mean()
            loss = -torch.minimum(ratio * gain, clipped * gain).mean()
            loss = loss - ENTROPY_WEIGHT * distribution.entropy().mean() + ANCHOR_WEIGHT * penalty
            self._step(loss, self.actor, self._actor_optimizer)
            if bool((ratio - 1.0 - log_ratio).mean() > TARGET_KL):
                return step + 1
        return NUM_LEARNING_EPOCHS

    def _within_target_kl(
        self, batch: PPOBatch, reference: Reference, minibatches: Rows, start: list[Tensor]
    ) -> tuple[GaussianChunk, float]:
        """Keep the whole update."""
        return self._distribution(batch, minibatches), 1.0
