"""Drifting Field Policy (arXiv 2605.07727): off-policy learning without likelihoods.

The policy drifts towards the best chunks of an older policy and towards replayed ones. Differences
from the published code: values are lower confidence bounds; actions are not clipped, which would
remove their gradient; incomplete chunks are not used as positives; observations without a
significant advantage are masked; each observation has its own kernel widths.
"""

import copy

import torch
from torch import Tensor, nn

from dbp_ros.drift.fields import conditional_drifting
from dbp_ros.drift.losses import scaled_loss
from dbp_ros.errors import TrainingError
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.rl.critic_ensemble import CriticEnsemble, lower_confidence_bound, select, top_indices
from dbp_ros.rl.learner import ExploredBatch, Learner, Statistics
from dbp_ros.rl.replay_buffer import ReplayBatch, ReplayBuffer
from dbp_ros.rl.reward_scaler import RewardScaler
from dbp_ros.rl.state_tensors import load_optimizer, optimizer_tensors, with_prefix, without_prefix
from dbp_ros.rl.transitions import Transitions
from dbp_ros.settings.finetune import FinetuneConfig


class DFPLearner(Learner):
    """DFP with the head and the field of imitation learning.

    Attributes:
        best_of: Number of chunks from which the critics select in `act`; 1 for the policy alone,
            as exported and evaluated.
    """

    def __init__(self, policy: PolicyNetwork, config: FinetuneConfig) -> None:
        """Copy a trained policy.

        Raises:
            TrainingError: If `n_action_steps` exceeds the horizon.
        """
        horizon, nu = policy.chunk_shape
        if config.n_action_steps > horizon:
            raise TrainingError(
                f"n_action_steps = {config.n_action_steps}, but a chunk has {horizon} points: "
                "execute fewer, or train longer chunks"
            )
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config, self.version, self.updates, self.best_of = config, 0, 0, 1
        self._policy = copy.deepcopy(policy).eval().requires_grad_(False)
        self._policy.method.requires_grad_(True)
        self._old = copy.deepcopy(policy.method).eval().requires_grad_(False)
        size, widths = policy.observation_size, config.critic_hidden_dims
        self.critics = CriticEnsemble(size, config.n_action_steps, nu, widths, config.num_critics)
        self._targets = self.critics.target_network()
        self._replay = ReplayBuffer(config.replay_buffer_size)
        self._scaler = RewardScaler(config.reward_clip)
        self._actor_optimizer = torch.optim.Adam(
            self._policy.method.parameters(), config.actor_learning_rate
        )
        self._critic_optimizer = torch.optim.Adam(
            self.critics.parameters(), config.critic_learning_rate
        )
        self._generator = torch.Generator().manual_seed(config.seed)
        # Candidates of `act`, apart from the random numbers of the updates.
        self._candidates = torch.Generator().manual_seed(config.seed)

    @property
    def policy(self) -> PolicyNetwork:
        """The current policy; see `Learner.policy`."""
        return self._policy

    @torch.no_grad()
    def explore(
        self, observation: Tensor, latent: Tensor, generator: torch.Generator
    ) -> ExploredBatch:
        """Return the best of several chunks, with noise; see `Learner.explore`.

        DFP needs no densities; they are 0.
        """
        chunk = self._best(observation, latent, self.config.best_of_n, generator)
        noise = torch.randn(chunk.shape, generator=generator)
        return ExploredBatch(
            chunk + self.config.init_noise_std * noise, torch.zeros(chunk.shape[:2])
        )

    @torch.no_grad()
    def act(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Return a chunk, or the best of several; see `Learner.act`."""
        return self._best(observation, latent, self.best_of, self._candidates)

    def _best(
        self, observation: Tensor, latent: Tensor, count: int, generator: torch.Generator
    ) -> Tensor:
        """Return the best of the latent's chunk and `count` - 1 random others."""
        latents = latent[:, None]
        if count > 1:
            shape = (len(latent), count - 1, *latent.shape[1:])
            latents = torch.cat([latents, torch.randn(shape, generator=generator)], dim=1)
        chunks = self._policy.method(observation, latents)
        if count == 1:
            single: Tensor = chunks[:, 0]
            return single
        values = lower_confidence_bound(self.critics(observation, chunks), self.config.pessimism)
        return select(chunks, top_indices(values, 1))[:, 0]

    def update(self, transitions: Transitions) -> Statistics:
        """Add decisions to the replay buffer and learn from samples; see `Learner.update`."""
        config = self.config
        discount = config.gamma**transitions.executed
        self._scaler(transitions.reward, discount, transitions.ended, transitions.valid)
        newest = ReplayBatch.of(transitions, transitions.valid, config.gamma, config.n_action_steps)
        self._replay.add(newest)
        if not len(self._replay):
            raise TrainingError(
                f"none of {len(transitions)} decisions is usable: they are masked as invalid or "
                "truncated"
            )
        trains_actor = self.updates >= config.critic_warmup_updates
        steps = max(1, round(config.replay_ratio * len(newest) / config.minibatch_size))
        means = torch.tensor([self._step(trains_actor) for _ in range(steps)]).mean(0).tolist()
        self.updates += 1
        self.version += int(trains_actor)
        names = ("value_loss", "value", "advantage", "significant")
        return {
            **dict(zip(names, means, strict=True)),
            "used": len(newest) / len(transitions),
            "replay_size": float(len(self._replay)),
            "actor_steps": float(steps * trains_actor),
            "reward_scale": self._scaler.scale,
        }

    def _step(self, trains_actor: bool) -> tuple[float, float, float, float]:
        """Make one step of the critics and, after the warm-up, of the policy."""
        batch = self._replay.sample(self.config.minibatch_size, self._generator)
        value_loss, value = self._update_critics(batch)
        advantage, improved = self._update_actor(batch) if trains_actor else (0.0, 0.0)
        return value_loss, value, advantage, improved

    def _latents(self, rows: int, count: int) -> Tensor:
        return torch.randn(rows, count, *self._policy.chunk_shape, generator=self._generator)

    def _update_critics(self, batch: ReplayBatch) -> tuple[float, float]:
        """Make one TD step of the critics; return the mean loss and value."""
        target = self._td_target(batch)
        prediction = self.critics(batch.observation, batch.action[:, None])[..., 0]
        loss = (prediction - target).square().mean()
        if not bool(torch.isfinite(loss)):
            raise TrainingError(
                f"the critics' loss is {float(loss)} at update {self.updates}: lower "
                f"critic_learning_rate = {self.config.critic_learning_rate}"
            )
        _step(loss, self.critics, self._critic_optimizer, self.config.max_grad_norm)
        _soft_update(self._targets, self.critics, self.config.target_tau)
        return float(loss.detach()), float(prediction.detach().mean())

    @torch.no_grad()
    def _td_target(self, batch: ReplayBatch) -> Tensor:
        """Return the rewards plus the discounted value of the best next chunk. Shape (B,)."""
        chunks = self._policy.method(
            batch.successor, self._latents(len(batch), self.config.best_of_n)
        )
        pessimism = self.config.pessimism
        values = lower_confidence_bound(self.critics(batch.successor, chunks), pessimism)
        best = select(chunks, top_indices(values, 1))
        next_value = lower_confidence_bound(self._targets(batch.successor, best), pessimism)
        return self._scaler.scaled(batch.reward) + batch.discount * next_value[:, 0]

    def _update_actor(self, batch: ReplayBatch) -> tuple[float, float]:
        """Make one drift step; return the mean advantage and the fraction of used rows."""
        batch = batch.rows(batch.complete)
        if not len(batch):
            return 0.0, 0.0
        positives, advantage, significant = self._positives(batch.observation)
        chunks = self._policy.method(
            batch.observation, self._latents(len(batch), self.config.num_samples)
        )
        loss = self.config.best_weight * self._drift_loss(chunks, positives, significant)
        if self.config.replay_weight:
            replayed = self._drift_loss(chunks, batch.action[:, None], torch.ones_like(significant))
            loss = loss + self.config.replay_weight * replayed
        if loss.requires_grad:
            clip = self.config.max_grad_norm
            _step(loss, self._policy.method, self._actor_optimizer, clip)
            _soft_update(self._old, self._policy.method, self.config.old_policy_tau)
        return float(advantage.mean()), float(significant.float().mean())

    @torch.no_grad()
    def _positives(self, observation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the old policy's best chunks, their advantage, and whether it is significant.

        Returns:
            Shapes (B, K, horizon, nu), (B,) and (B,).
        """
        chunks = self._old(observation, self._latents(len(observation), self.config.num_candidates))
        values = self.critics(observation, chunks)
        bound = lower_confidence_bound(values, self.config.pessimism)
        indices = top_indices(bound, self.config.num_positives)
        best = values.gather(2, indices.expand(len(values), -1, -1))
        advantages = best.mean(2) - values.mean(2)
        advantage, std = advantages.mean(0), advantages.std(0, correction=0)
        significant = advantage > self.config.min_advantage * std
        return select(chunks, indices), advantage, significant | (self.config.min_advantage == 0)

    def _drift_loss(self, chunks: Tensor, positives: Tensor, mask: Tensor) -> Tensor:
        """Return the drift loss of the masked rows, on the points that are executed.

        The critics have no values of the other points, which in the replay buffer are noisy.
        """
        if not bool(mask.any()):
            return torch.zeros(())
        executed = slice(self.config.n_action_steps)
        samples = chunks[mask][:, :, executed].flatten(2)
        field = conditional_drifting(
            samples,
            positives[mask][:, :, executed].flatten(2),
            temperatures=self.config.temperatures,
        )
        return scaled_loss(samples, field).sum() / len(chunks)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state; see `Learner.state_dict`."""
        return {
            "counts": torch.tensor([self.version, self.updates]),
            "generator": self._generator.get_state(),
            **with_prefix("policy", self._policy.state_dict()),
            **with_prefix("old", self._old.state_dict()),
            **with_prefix("critics", self.critics.state_dict()),
            **with_prefix("targets", self._targets.state_dict()),
            **with_prefix("replay", self._replay.state_dict()),
            **with_prefix("scaler", self._scaler.state_dict()),
            **with_prefix("actor_optimizer", optimizer_tensors(self._actor_optimizer)),
            **with_prefix("critic_optimizer", optimizer_tensors(self._critic_optimizer)),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a state; see `Learner.load_state_dict`."""
        self.version, self.updates = state["counts"].tolist()
        self._generator.set_state(state["generator"])
        self._policy.load_state_dict(without_prefix("policy", state))
        self._old.load_state_dict(without_prefix("old", state))
        self.critics.load_state_dict(without_prefix("critics", state))
        self._targets.load_state_dict(without_prefix("targets", state))
        self._replay.load_state_dict(without_prefix("replay", state))
        self._scaler.load_state_dict(without_prefix("scaler", state))
        load_optimizer(self._actor_optimizer, without_prefix("actor_optimizer", state))
        load_optimizer(self._critic_optimizer, without_prefix("critic_optimizer", state))


def _step(loss: Tensor, network: nn.Module, optimizer: torch.optim.Optimizer, clip: float) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimizer.step()


@torch.no_grad()
def _soft_update(target: nn.Module, source: nn.Module, rate: float) -> None:
    """Move the parameters of `target` towards `source` (Polyak averaging)."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), rate)
