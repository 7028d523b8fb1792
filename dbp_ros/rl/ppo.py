"""DBPO: PPO of a one-step generator with an anchor to the pretrained policy.

The paper is arXiv 2604.03540; `dbpo_published.py` implements its published code. Decisions of an
older version are weighted by their importance ratio, and the clipped ratio is relative to the
current policy (arXiv 2110.00641). The weights are truncated at 1 (arXiv 1802.01561).
"""

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from dbp_ros.errors import TrainingError
from dbp_ros.learning.methods.one_step import OneStep
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.rl.advantages import AdvantageEstimate, episode_continues, estimate_advantages
from dbp_ros.rl.critic import Critic
from dbp_ros.rl.gaussian_chunk import GaussianChunk
from dbp_ros.rl.learner import ExploredBatch, Learner, Statistics
from dbp_ros.rl.ppo_batch import PPOBatch, Reference, Rows, ppo_batch, usable_decisions
from dbp_ros.rl.ppo_loss import (
    adapted_anchor_weight,
    anchor_distance,
    clipped_surrogate,
    explained_variance,
    max_abs,
)
from dbp_ros.rl.recent_transitions import RecentTransitions
from dbp_ros.rl.reward_scaler import RewardScaler
from dbp_ros.rl.state_tensors import load_optimizer, optimizer_tensors, with_prefix, without_prefix
from dbp_ros.rl.stochastic_policy import StochasticPolicy
from dbp_ros.rl.transitions import Transitions
from dbp_ros.rl.trust_region import backtrack
from dbp_ros.settings.finetune import FinetuneConfig


class PPOLearner(Learner):
    """PPO in which a chunk is one action and the latent is part of the policy's observation.

    The critic sees the observation without the latent, so values are means over the modes.
    """

    def __init__(self, policy: PolicyNetwork, config: FinetuneConfig) -> None:
        """Copy a trained policy.

        Raises:
            TrainingError: If `n_action_steps` exceeds the horizon, or the method has no latents to
                anneal.
        """
        horizon = policy.chunk_shape[0]
        if config.latent_anneal_versions and not isinstance(policy.method, OneStep):
            raise TrainingError(
                f"latent_anneal_versions = {config.latent_anneal_versions}: expected 0, the "
                f"latents of a {type(policy.method).__name__} cannot be annealed; train with "
                "method = dbp"
            )
        if config.n_action_steps > horizon:
            raise TrainingError(
                f"n_action_steps = {config.n_action_steps}, but a chunk has {horizon} points: "
                "execute fewer, or train longer chunks"
            )
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config, self.version, self.updates = config, 0, 0
        self.anchor_weight = config.anchor_weight
        self.actor = self._build_actor(policy)
        self.critic = Critic(policy.observation_size, config.critic_hidden_dims)
        self.scaler = RewardScaler(config.reward_clip)
        self._recent = RecentTransitions(config.reuse_updates)
        rate = config.actor_learning_rate
        groups: list[dict[str, Any]] = [
            {"params": list(self.actor.policy.method.parameters())},
            {
                "params": list(self.actor.log_std_head.parameters()),
                "lr": config.log_std_lr_scale * rate,
            },
        ]
        self._actor_optimizer = torch.optim.Adam(groups, rate)
        self._critic_optimizer = torch.optim.Adam(
            self.critic.parameters(), config.critic_learning_rate
        )
        self._generator = torch.Generator().manual_seed(config.seed)

    def _build_actor(self, policy: PolicyNetwork) -> StochasticPolicy:
        return StochasticPolicy(policy, self.config)

    @property
    def policy(self) -> PolicyNetwork:
        """The current policy; see `Learner.policy`."""
        return self.actor.policy

    @torch.no_grad()
    def explore(
        self, observation: Tensor, latent: Tensor, generator: torch.Generator
    ) -> ExploredBatch:
        """Return sampled chunks; see `Learner.explore`."""
        distribution = self.actor(observation, latent)
        action = distribution.sample(generator)
        return ExploredBatch(action, distribution.point_log_prob(action))

    @torch.no_grad()
    def act(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Return the means of the chunks; see `Learner.act`."""
        mean: Tensor = self.actor(observation, latent).mean
        return mean

    def update(self, transitions: Transitions) -> Statistics:
        """Make one update; see `Learner.update`."""
        config = self.config
        fresh = usable_decisions(transitions, self.version, config.version_lag)
        transitions = replace(transitions, valid=fresh)
        discount = config.gamma**transitions.executed
        self.scaler(transitions.reward, discount, transitions.ended, transitions.valid)
        transitions = self._recent.extend(transitions)
        used = transitions.valid
        estimate = self._estimate(transitions, used)
        batch = ppo_batch(transitions, estimate, used, self.version)
        minibatches = self._minibatches(len(batch))
        reference = self._reference(batch, minibatches)
        trains_actor = self.updates >= config.critic_warmup_updates
        start = [parameter.detach().clone() for parameter in self._actor_parameters]
        steps = self._update_actor(batch, reference, minibatches) if trains_actor else 0
        distribution, fraction = self._within_target_kl(batch, reference, minibatches, start)
        statistics = {
            "used": float(used.float().mean()),
            "log_prob_gap": max_abs((reference.log_prob - batch.log_prob)[batch.on_policy]),
            "reward_scale": self.scaler.scale,
            "explained": explained_variance(estimate, used),
            "actor_steps": float(steps),
            "update_fraction": fraction,
            **self._diagnostics(batch, reference, distribution),
            "value_loss": self._update_critic(batch),
        }
        if steps and fraction:
            self.version += 1
            distance = statistics["anchor_distance"]
            self.anchor_weight = adapted_anchor_weight(self.anchor_weight, distance, config)
            self._anneal_latents()
        self.updates += 1
        return statistics

    @torch.no_grad()
    def _estimate(self, transitions: Transitions, used: Tensor) -> AdvantageEstimate:
        discount = self.config.gamma**transitions.executed
        # Rewards during an intervention do not count towards the return of the policy.
        reward = transitions.reward * transitions.valid
        return estimate_advantages(
            self.scaler.scaled(reward),
            self.critic(transitions.observation),
            self.critic(transitions.successor),
            discount,
            transitions.terminated,
            episode_continues(transitions.ended, used),
            self.config.gae_lambda,
        )

    def _minibatches(self, count: int) -> Rows:
        """Return all rows, shuffled, in minibatches of about equal size."""
        rows = torch.randperm(count, generator=self._generator)
        return rows.tensor_split(max(1, round(count / self.config.minibatch_size)))

    @torch.no_grad()
    def _distribution(self, batch: PPOBatch, minibatches: Rows) -> GaussianChunk:
        """Return the current distribution of every chunk, computed by minibatch.

        Floating-point sums depend on the batch shape. With the minibatches of the first epoch, the
        first ratios are exactly 1.
        """
        mean, log_sigma = torch.empty_like(batch.action), torch.empty_like(batch.action)
        for rows in minibatches:
            part: GaussianChunk = self.actor(batch.observation[rows], batch.latent[rows])
            mean[rows], log_sigma[rows] = part.mean, part.log_sigma
        return replace(part, mean=mean, log_sigma=log_sigma)

    def _reference(self, batch: PPOBatch, minibatches: Rows) -> Reference:
        distribution = self._distribution(batch, minibatches)
        log_prob = distribution.log_prob(batch.action, batch.executed)
        ratio = (log_prob - batch.log_prob).exp().clamp(max=1.0)
        return Reference(
            distribution=distribution,
            log_prob=log_prob,
            importance=torch.where(batch.on_policy, torch.ones_like(ratio), ratio),
            anchor=self.actor.anchor_chunk(batch.observation, batch.latent, self._generator),
        )

    def _update_actor(self, batch: PPOBatch, reference: Reference, minibatches: Rows) -> int:
        """Train the actor until a minibatch reaches the KL target; return the number of steps."""
        steps, config = 0, self.config
        for _ in range(config.num_learning_epochs):
            for rows in minibatches:
                distribution = self.actor(batch.observation[rows], batch.latent[rows])
                before = reference.distribution.rows(rows)
                if before.kl(distribution, batch.executed[rows]).mean() > config.target_kl:
                    return steps
                loss = clipped_surrogate(distribution, batch, reference, rows, config.clip_ratio)
                if self.anchor_weight:
                    distance = anchor_distance(
                        distribution, batch, reference, rows, config.anchor_distance
                    )
                    loss = loss + self.anchor_weight * distance.mean()
                self._step(loss, self.actor, self._actor_optimizer)
                steps += 1
            minibatches = self._minibatches(len(batch))
        return steps

    @property
    def _actor_parameters(self) -> list[nn.Parameter]:
        return [p for group in self._actor_optimizer.param_groups for p in group["params"]]

    def _within_target_kl(
        self, batch: PPOBatch, reference: Reference, minibatches: Rows, start: list[Tensor]
    ) -> tuple[GaussianChunk, float]:
        """Shorten the update of the actor until the KL divergence is within its target.

        Returns:
            The distribution of every chunk afterwards, and the remaining fraction of the update.
        """
        latest = reference.distribution

        def divergence() -> float:
            nonlocal latest
            latest = self._distribution(batch, minibatches)
            return float(reference.distribution.kl(latest, batch.executed).mean())

        fraction = backtrack(self._actor_parameters, start, divergence, self.config.target_kl)
        return (latest if fraction else reference.distribution), fraction

    def _step(self, loss: Tensor, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        if not bool(torch.isfinite(loss)):
            raise TrainingError(
                f"the loss is {float(loss)} at update {self.updates}: lower the learning rates "
                f"{self.config.actor_learning_rate} and {self.config.critic_learning_rate}"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        parameters, largest = network.parameters(), self.config.max_grad_norm
        nn.utils.clip_grad_norm_(parameters, largest, error_if_nonfinite=True)
        optimizer.step()

    def _diagnostics(
        self, batch: PPOBatch, reference: Reference, distribution: GaussianChunk
    ) -> Statistics:
        """Return statistics of the policy after the update."""
        rows, unit = torch.arange(len(batch)), self.config.anchor_distance
        distance = anchor_distance(distribution, batch, reference, rows, unit).mean().sqrt()
        return {
            "kl": float(reference.distribution.kl(distribution, batch.executed).mean()),
            "sigma": float(distribution.log_sigma[:, : self.config.n_action_steps].exp().mean()),
            "anchor_distance": float(distance) * unit,
            "anchor_weight": self.anchor_weight,
        }

    def _anneal_latents(self) -> None:
        """Scale the latents of the next version down.

        Each latent gives a different chunk; without latents all decisions improve a single one.
        The distribution of the latent is not optimized, so the likelihoods remain exact.
        """
        if self.config.latent_anneal_versions:
            scale = max(0.0, 1.0 - self.version / self.config.latent_anneal_versions)
            cast(OneStep, self.actor.policy.method).latent_scale.clamp_(max=scale)

    def _update_critic(self, batch: PPOBatch) -> float:
        """Fit the critic to the returns; return the mean loss."""
        losses = []
        for _ in range(self.config.num_learning_epochs):
            for rows in self._minibatches(len(batch)):
                prediction = self.critic(batch.observation[rows])
                loss = 0.5 * (prediction - batch.returns[rows]).square().mean()
                self._step(loss, self.critic, self._critic_optimizer)
                losses.append(float(loss.detach()))
        return sum(losses) / len(losses)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state; see `Learner.state_dict`."""
        counters = [float(self.version), float(self.updates), self.anchor_weight]
        return {
            **with_prefix("actor", self.actor.state_dict()),
            **with_prefix("critic", self.critic.state_dict()),
            **with_prefix("actor_optimizer", optimizer_tensors(self._actor_optimizer)),
            **with_prefix("critic_optimizer", optimizer_tensors(self._critic_optimizer)),
            **with_prefix("scaler", self.scaler.state_dict()),
            **with_prefix("recent", self._recent.state_dict()),
            "counters": torch.tensor(counters, dtype=torch.float64),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a state; see `Learner.load_state_dict`."""
        self.actor.load_state_dict(without_prefix("actor", state))
        self.critic.load_state_dict(without_prefix("critic", state))
        load_optimizer(self._actor_optimizer, without_prefix("actor_optimizer", state))
        load_optimizer(self._critic_optimizer, without_prefix("critic_optimizer", state))
        self.scaler.load_state_dict(without_prefix("scaler", state))
        self._recent.load_state_dict(without_prefix("recent", state))
        version, updates, self.anchor_weight = state["counters"].tolist()
        self.version, self.updates = int(version), int(updates)
        self._generator.set_state(state["generator"])
