"""DBPO: proximal policy optimisation of a one-step generator, held near what was imitated.

The paper is arXiv 2604.03540. Where its published code does otherwise is in `authors.py`. What an
older version decided is weighed by how likely the policy still is to do it, and the step away from
that policy is what is clipped (arXiv 2110.00641); the weights end at 1 (arXiv 1802.01561).
"""

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from dbp_ros.errors import TrainingError
from dbp_ros.learning.methods.one_step import OneStep
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.rl.advantages import AdvantageEstimate, estimate_advantages, flowing
from dbp_ros.rl.config import FinetuneConfig
from dbp_ros.rl.critic import Critic
from dbp_ros.rl.gaussian_chunk import GaussianChunk, over_played
from dbp_ros.rl.learner import ExploredBatch, Learner, Statistics
from dbp_ros.rl.ppo_batch import PPOBatch, Reference
from dbp_ros.rl.reward_scaler import RewardScaler
from dbp_ros.rl.state_tensors import load_optimiser, optimiser_tensors, part, under
from dbp_ros.rl.stochastic_policy import StochasticPolicy
from dbp_ros.rl.transitions import Transitions

ANCHOR_STEP = 1.5
ANCHOR_RANGE = 1e3


class PPOLearner(Learner):
    """PPO in which a chunk is one action and the latent is part of what is observed."""

    def __init__(self, policy: PolicyNetwork, config: FinetuneConfig) -> None:
        """Take over a copy of a trained policy.

        Raises:
            TrainingError: If more points are to be played than a chunk has, or latents are to
                fade that cannot.
        """
        horizon = policy.chunk_shape[0]
        if config.latent_anneal_versions and not isinstance(policy.method, OneStep):
            raise TrainingError(
                f"latent_anneal_versions = {config.latent_anneal_versions}: expected 0, the "
                f"latents of a {type(policy.method).__name__} do not fade; train with "
                "method = dbp"
            )
        if config.n_action_steps > horizon:
            raise TrainingError(
                f"n_action_steps = {config.n_action_steps}, but a chunk has {horizon} points: "
                "play fewer, or train longer chunks"
            )
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config, self.version, self.updates = config, 0, 0
        self.anchor_weight = config.anchor_weight
        self.actor = self._actor_of(policy)
        self.critic = Critic(policy.observation_size, config.critic_widths)
        self.scaler = RewardScaler(config.reward_clip)
        rate = config.actor_learning_rate
        groups: list[dict[str, Any]] = [
            {"params": list(self.actor.policy.method.parameters())},
            {"params": list(self.actor.spread.parameters()), "lr": config.log_std_lr_scale * rate},
        ]
        self._actor_optimiser = torch.optim.Adam(groups, rate)
        self._critic_optimiser = torch.optim.Adam(
            self.critic.parameters(), config.critic_learning_rate
        )
        self._chance = torch.Generator().manual_seed(config.seed)

    def _actor_of(self, policy: PolicyNetwork) -> StochasticPolicy:
        return StochasticPolicy(policy, self.config)

    @property
    def policy(self) -> PolicyNetwork:
        """The policy as it is now; see `Learner.policy`."""
        return self.actor.policy

    @torch.no_grad()
    def explore(
        self, observation: Tensor, latent: Tensor, chance: torch.Generator
    ) -> ExploredBatch:
        """Return sampled chunks; see `Learner.explore`."""
        law = self.actor(observation, latent)
        action = law.sample(chance)
        return ExploredBatch(action, law.point_log_prob(action))

    @torch.no_grad()
    def decide(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Return the means of the chunks; see `Learner.decide`."""
        mean: Tensor = self.actor(observation, latent).mean
        return mean

    def update(self, transitions: Transitions) -> Statistics:
        """Make one update; see `Learner.update`."""
        used = self._usable(transitions)
        estimate = self._estimate(transitions, used)
        lessons = self._lessons(transitions, estimate, used)
        batches = self._batches(len(lessons))
        reference = self._reference(lessons, batches)
        learns = self.updates >= self.config.critic_warm_up
        steps = self._improve(lessons, reference, batches) if learns else 0
        statistics = {
            "used": float(used.float().mean()),
            "log_prob_gap": _largest((reference.log_prob - lessons.log_prob)[lessons.own]),
            "reward_scale": self.scaler.scale,
            "explained": _explained(estimate, used),
            "actor_steps": float(steps),
            **self._measure(lessons, reference, batches),
            "value_loss": self._fit_critic(lessons),
        }
        if steps:
            self.version += 1
            self._adapt_anchor(statistics["anchor_distance"])
            self._fade()
        self.updates += 1
        return statistics

    def _usable(self, transitions: Transitions) -> Tensor:
        age = self.version - transitions.version
        fresh = (age >= 0) & (age <= self.config.version_lag)
        used = transitions.valid & fresh
        if not bool(used.any()):
            raise TrainingError(
                f"none of {len(transitions)} decisions can be learned from: "
                f"{int((~transitions.valid).sum())} are not the policy's own, "
                f"{int((~fresh).sum())} are not of version {self.version} or up to "
                f"{self.config.version_lag} older"
            )
        return used

    @torch.no_grad()
    def _estimate(self, transitions: Transitions, used: Tensor) -> AdvantageEstimate:
        span = self.config.gamma**transitions.executed
        # What somebody else earned is no measure of what the policy earns.
        earned = transitions.reward * transitions.valid
        return estimate_advantages(
            self.scaler(earned, span, transitions.ended),
            self.critic(transitions.observation),
            self.critic(transitions.successor),
            span,
            transitions.terminated,
            flowing(transitions.ended, used),
            self.config.trace,
        )

    def _lessons(
        self, transitions: Transitions, estimate: AdvantageEstimate, used: Tensor
    ) -> PPOBatch:
        advantages = estimate.advantages[used]
        spread = advantages.std(correction=0) + 1e-8
        return PPOBatch(
            observation=transitions.observation[used],
            latent=transitions.latent[used],
            action=transitions.action[used],
            executed=transitions.executed[used],
            log_prob=transitions.log_prob[used],
            own=transitions.version[used] == self.version,
            advantages=(advantages - advantages.mean()) / spread,
            returns=estimate.returns[used],
        )

    def _batches(self, count: int) -> tuple[Tensor, ...]:
        """Return all rows, shuffled, in parts of about equal size."""
        rows = torch.randperm(count, generator=self._chance)
        return rows.tensor_split(max(1, round(count / self.config.minibatch)))

    @torch.no_grad()
    def _law(self, lessons: PPOBatch, batches: tuple[Tensor, ...]) -> GaussianChunk:
        """Return the law of every lesson's chunk now, computed part by part.

        A sum of floats depends on the shape that it is computed in: in the parts of the first
        pass, that pass starts from ratios that are exactly 1.
        """
        mean, log_sigma = torch.empty_like(lessons.action), torch.empty_like(lessons.action)
        for rows in batches:
            law: GaussianChunk = self.actor(lessons.observation[rows], lessons.latent[rows])
            mean[rows], log_sigma[rows] = law.mean, law.log_sigma
        return replace(law, mean=mean, log_sigma=log_sigma)

    def _reference(self, lessons: PPOBatch, batches: tuple[Tensor, ...]) -> Reference:
        law = self._law(lessons, batches)
        log_prob = law.log_prob(lessons.action, lessons.executed)
        likelier = (log_prob - lessons.log_prob).exp().clamp(max=1.0)
        return Reference(
            law=law,
            log_prob=log_prob,
            weight=torch.where(lessons.own, torch.ones_like(likelier), likelier),
            imitated=self.actor.imitated(lessons.observation, lessons.latent, self._chance),
        )

    def _improve(self, lessons: PPOBatch, reference: Reference, batches: tuple[Tensor, ...]) -> int:
        """Improve the policy until it has gone far enough; return the steps made."""
        steps = 0
        for _ in range(self.config.epochs):
            for rows in batches:
                law = self.actor(lessons.observation[rows], lessons.latent[rows])
                gone = reference.law.rows(rows).divergence(law, lessons.executed[rows]).mean()
                if gone > self.config.kl_target:
                    return steps
                loss = self._surrogate(law, lessons, reference, rows)
                if self.anchor_weight:
                    pull = self._apart(law, lessons, reference, rows).mean()
                    loss = loss + self.anchor_weight * pull
                self._step(loss, self.actor, self._actor_optimiser)
                steps += 1
            batches = self._batches(len(lessons))
        return steps

    def _surrogate(
        self, law: GaussianChunk, lessons: PPOBatch, reference: Reference, rows: Tensor
    ) -> Tensor:
        """Return the clipped objective of PPO (arXiv 1707.06347), to be made small."""
        log_prob = law.log_prob(lessons.action[rows], lessons.executed[rows])
        ratio = (log_prob - reference.log_prob[rows]).exp()
        kept = ratio.clamp(1.0 - self.config.clip_ratio, 1.0 + self.config.clip_ratio)
        advantages = lessons.advantages[rows]
        gain = torch.minimum(ratio * advantages, kept * advantages)
        return -(reference.weight[rows] * gain).mean()

    def _apart(
        self, law: GaussianChunk, lessons: PPOBatch, reference: Reference, rows: Tensor
    ) -> Tensor:
        """Return the mean squared distance from the imitated policy, of what is free. (B,)."""
        apart = (law.mean - reference.imitated[rows]) / self.config.anchor_distance
        executed = lessons.executed[rows]
        return over_played(apart.square().mean(2), executed) / executed

    def _step(self, loss: Tensor, network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        if not bool(torch.isfinite(loss)):
            raise TrainingError(
                f"the loss is {float(loss)} at update {self.updates}: lower the learning rates "
                f"{self.config.actor_learning_rate} and {self.config.critic_learning_rate}"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), self.config.max_grad_norm)
        optimiser.step()

    def _measure(
        self, lessons: PPOBatch, reference: Reference, batches: tuple[Tensor, ...]
    ) -> Statistics:
        """Return where the update has led."""
        law, everything = self._law(lessons, batches), torch.arange(len(lessons))
        apart = self._apart(law, lessons, reference, everything).mean()
        return {
            "kl": float(reference.law.divergence(law, lessons.executed).mean()),
            "sigma": float(law.log_sigma[:, : self.config.n_action_steps].exp().mean()),
            "anchor_distance": float(apart.sqrt()) * self.config.anchor_distance,
            "anchor_weight": self.anchor_weight,
        }

    def _adapt_anchor(self, distance: float) -> None:
        """Pull harder where the policy is too far from the imitated one, else less."""
        start = self.config.anchor_weight
        change = ANCHOR_STEP if distance > self.config.anchor_distance else 1.0 / ANCHOR_STEP
        least, most = start / ANCHOR_RANGE, start * ANCHOR_RANGE
        self.anchor_weight = min(max(self.anchor_weight * change, least), most)

    def _fade(self) -> None:
        """Draw the latents of the next version closer together.

        Each latent is a policy of its own, and an update that has few of each learns little of
        any. Where they are no choice but what was scattered in the demonstrations, all that is
        practised may be of one. The latent's law is no part of what is optimised: each version's
        decisions have exact likelihoods.
        """
        if self.config.latent_anneal_versions:
            left = max(0.0, 1.0 - self.version / self.config.latent_anneal_versions)
            cast(OneStep, self.actor.policy.method).latent_scale.clamp_(max=left)

    def _fit_critic(self, lessons: PPOBatch) -> float:
        """Fit the critic to the returns; return the mean loss."""
        losses = []
        for _ in range(self.config.epochs):
            for rows in self._batches(len(lessons)):
                said = self.critic(lessons.observation[rows])
                loss = 0.5 * (said - lessons.returns[rows]).square().mean()
                self._step(loss, self.critic, self._critic_optimiser)
                losses.append(float(loss.detach()))
        return sum(losses) / len(losses)

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that changes; see `Learner.state_dict`."""
        counters = [float(self.version), float(self.updates), self.anchor_weight]
        return {
            **under("actor", self.actor.state_dict()),
            **under("critic", self.critic.state_dict()),
            **under("actor_optimiser", optimiser_tensors(self._actor_optimiser)),
            **under("critic_optimiser", optimiser_tensors(self._critic_optimiser)),
            **under("scaler", self.scaler.state_dict()),
            "counters": torch.tensor(counters, dtype=torch.float64),
            "chance": self._chance.get_state(),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a state; see `Learner.load_state_dict`."""
        self.actor.load_state_dict(part("actor", state))
        self.critic.load_state_dict(part("critic", state))
        load_optimiser(self._actor_optimiser, part("actor_optimiser", state))
        load_optimiser(self._critic_optimiser, part("critic_optimiser", state))
        self.scaler.load_state_dict(part("scaler", state))
        version, updates, self.anchor_weight = state["counters"].tolist()
        self.version, self.updates = int(version), int(updates)
        self._chance.set_state(state["chance"])


def _largest(gaps: Tensor) -> float:
    return float(gaps.abs().max()) if len(gaps) else 0.0


def _explained(estimate: AdvantageEstimate, used: Tensor) -> float:
    """Return the share of the returns' variance that the critic knew; below 0 it misleads."""
    unknown, returns = estimate.advantages[used], estimate.returns[used]
    return float(1.0 - unknown.var(correction=0) / (returns.var(correction=0) + 1e-8))
