"""Drifting Field Policy (arXiv 2605.07727): learn off-policy, without likelihoods.

The policy drifts towards the chunks of an older self that critics like best, and towards what was
done. Where this departs from the published code: values are pessimistic; no action is clipped, so
none is out of a gradient's reach; a chunk that an episode's end cut short is nobody's example; an
observation whose best chunks are no better than the critics are sure of moves nothing; each
observation has a scale of its own.
"""

import copy

import torch
from torch import Tensor, nn

from dbp_ros.drift.fields import conditional_drifting
from dbp_ros.drift.losses import scaled_loss
from dbp_ros.errors import TrainingError
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.rl.config import FinetuneConfig
from dbp_ros.rl.critic_ensemble import CriticEnsemble, best, pessimistic, pick
from dbp_ros.rl.learner import ExploredBatch, Learner, Statistics
from dbp_ros.rl.replay_buffer import ReplayBatch, ReplayBuffer
from dbp_ros.rl.reward_scaler import RewardScaler
from dbp_ros.rl.state_tensors import load_optimiser, optimiser_tensors, part, under
from dbp_ros.rl.transitions import Transitions


class DFPLearner(Learner):
    """DFP on the policies of imitation: the same head, the same field.

    Attributes:
        best_of: Chunks among which the critics choose in `decide`; 1, the policy alone, is what
            is exported and what is judged.
    """

    def __init__(self, policy: PolicyNetwork, config: FinetuneConfig) -> None:
        """Take over a copy of a trained policy.

        Raises:
            TrainingError: If more points are to be played than a chunk has.
        """
        horizon, nu = policy.chunk_shape
        if config.n_action_steps > horizon:
            raise TrainingError(
                f"n_action_steps = {config.n_action_steps}, but a chunk has {horizon} points: "
                "play fewer, or train longer chunks"
            )
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config, self.version, self.updates, self.best_of = config, 0, 0, 1
        self._policy = copy.deepcopy(policy).eval().requires_grad_(False)
        self._policy.method.requires_grad_(True)
        self._old = copy.deepcopy(policy.method).eval().requires_grad_(False)
        size, widths = policy.observation_size, config.critic_widths
        self.critics = CriticEnsemble(size, config.n_action_steps, nu, widths, config.critics)
        self._targets = self.critics.follower()
        self._replay = ReplayBuffer(config.replay)
        self._scaler = RewardScaler(config.reward_clip)
        learned = self._policy.method.parameters()
        self._actor_optimiser = torch.optim.Adam(learned, config.actor_learning_rate)
        self._critic_optimiser = torch.optim.Adam(
            self.critics.parameters(), config.critic_learning_rate
        )
        self._chance = torch.Generator().manual_seed(config.seed)

    @property
    def policy(self) -> PolicyNetwork:
        """The policy as it is now; see `Learner.policy`."""
        return self._policy

    @torch.no_grad()
    def explore(
        self, observation: Tensor, latent: Tensor, chance: torch.Generator
    ) -> ExploredBatch:
        """Return the best of several chunks, with noise; see `Learner.explore`.

        The chunk has no density that could be told and none is needed: it is given as 0.
        """
        chunk = self._best(observation, latent, self.config.best_of, chance)
        noise = torch.randn(chunk.shape, generator=chance)
        return ExploredBatch(chunk + self.config.sigma * noise, torch.zeros(chunk.shape[:2]))

    @torch.no_grad()
    def decide(self, observation: Tensor, latent: Tensor) -> Tensor:
        """Return a chunk, or the best of several; see `Learner.decide`."""
        return self._best(observation, latent, self.best_of, self._chance)

    def _best(
        self, observation: Tensor, latent: Tensor, count: int, chance: torch.Generator
    ) -> Tensor:
        """Return the best of the latent's chunk and of `count` - 1 others."""
        latents = latent[:, None]
        if count > 1:
            shape = (len(latent), count - 1, *latent.shape[1:])
            latents = torch.cat([latents, torch.randn(shape, generator=chance)], dim=1)
        chunks = self._policy.method(observation, latents)
        if count == 1:
            alone: Tensor = chunks[:, 0]
            return alone
        values = pessimistic(self.critics(observation, chunks), self.config.pessimism)
        return pick(chunks, best(values, 1))[:, 0]

    def update(self, transitions: Transitions) -> Statistics:
        """Remember decisions and learn from all that is remembered; see `Learner.update`."""
        config = self.config
        span = config.gamma**transitions.executed
        self._scaler(transitions.reward * transitions.valid, span, transitions.ended)
        newest = ReplayBatch.of(transitions, transitions.valid, config.gamma, config.n_action_steps)
        self._replay.add(newest)
        if not len(self._replay):
            raise TrainingError(
                f"none of {len(transitions)} decisions can be learned from: they are not the "
                "policy's own, or were cut short"
            )
        learns = self.updates >= config.critic_warm_up
        steps = max(1, round(config.replay_ratio * len(newest) / config.minibatch))
        found = torch.tensor([self._step(learns) for _ in range(steps)]).mean(0).tolist()
        self.updates += 1
        self.version += int(learns)
        names = ("value_loss", "value", "advantage", "worth")
        return {
            **dict(zip(names, found, strict=True)),
            "used": len(newest) / len(transitions),
            "remembered": float(len(self._replay)),
            "actor_steps": float(steps * learns),
            "reward_scale": self._scaler.scale,
        }

    def _step(self, learns: bool) -> tuple[float, float, float, float]:
        """Make one step of the critics and, once they know enough, of the policy."""
        batch = self._replay.draw(self.config.minibatch, self._chance)
        value_loss, value = self._judge_better(batch)
        advantage, worth = self._act_better(batch) if learns else (0.0, 0.0)
        return value_loss, value, advantage, worth

    def _latents(self, rows: int, count: int) -> Tensor:
        return torch.randn(rows, count, *self._policy.chunk_shape, generator=self._chance)

    def _judge_better(self, batch: ReplayBatch) -> tuple[float, float]:
        """Move the critics towards the value of what follows; return the loss and the value."""
        goal = self._goal(batch)
        said = self.critics(batch.observation, batch.action[:, None])[..., 0]
        loss = (said - goal).square().mean()
        if not bool(torch.isfinite(loss)):
            raise TrainingError(
                f"the critics' loss is {float(loss)} at update {self.updates}: lower "
                f"critic_learning_rate = {self.config.critic_learning_rate}"
            )
        _descend(loss, self.critics, self._critic_optimiser, self.config.max_grad_norm)
        _follow(self._targets, self.critics, self.config.target_rate)
        return float(loss.detach()), float(said.detach().mean())

    @torch.no_grad()
    def _goal(self, batch: ReplayBatch) -> Tensor:
        """Return what a decision was worth: its rewards, then the best chunk. Shape (B,)."""
        chunks = self._policy.method(
            batch.successor, self._latents(len(batch), self.config.best_of)
        )
        liked = pessimistic(self.critics(batch.successor, chunks), self.config.pessimism)
        chosen = pick(chunks, best(liked, 1))
        later = pessimistic(self._targets(batch.successor, chosen), self.config.pessimism)
        return batch.reward / self._scaler.scale + batch.span * later[:, 0]

    def _act_better(self, batch: ReplayBatch) -> tuple[float, float]:
        """Drift; return the advantage of the best chunks and where they were worth it."""
        batch = batch.rows(batch.whole)
        if not len(batch):
            return 0.0, 0.0
        candidates, advantage, worth = self._candidates(batch.observation)
        chunks = self._policy.method(
            batch.observation, self._latents(len(batch), self.config.samples)
        )
        loss = self.config.best_weight * self._drift(chunks, candidates, worth)
        if self.config.replay_weight:
            everywhere = torch.ones_like(worth)
            drift = self._drift(chunks, batch.action[:, None], everywhere)
            loss = loss + self.config.replay_weight * drift
        if loss.requires_grad:
            clip = self.config.max_grad_norm
            _descend(loss, self._policy.method, self._actor_optimiser, clip)
            _follow(self._old, self._policy.method, self.config.old_rate)
        return float(advantage.mean()), float(worth.float().mean())

    @torch.no_grad()
    def _candidates(self, observation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the old policy's best chunks, how much better they are, and whether surely so.

        Returns:
            Shapes (B, K, horizon, nu), (B,) and (B,).
        """
        chunks = self._old(observation, self._latents(len(observation), self.config.candidates))
        values = self.critics(observation, chunks)
        which = best(pessimistic(values, self.config.pessimism), self.config.positives)
        chosen = values.gather(2, which.expand(len(values), -1, -1))
        gains = chosen.mean(2) - values.mean(2)
        gain, doubt = gains.mean(0), gains.std(0, correction=0)
        sure = gain > self.config.worth * doubt
        return pick(chunks, which), gain, sure | (self.config.worth == 0)

    def _drift(self, chunks: Tensor, positives: Tensor, moved: Tensor) -> Tensor:
        """Return the loss of drifting to positives, of the rows that are to be moved."""
        if not bool(moved.any()):
            return torch.zeros(())
        samples = chunks[moved].flatten(2)
        field = conditional_drifting(
            samples, positives[moved].flatten(2), temperatures=self.config.temperatures
        )
        return scaled_loss(samples, field).sum() / len(chunks)

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that changes; see `Learner.state_dict`."""
        return {
            "counts": torch.tensor([self.version, self.updates]),
            "chance": self._chance.get_state(),
            **under("policy", self._policy.state_dict()),
            **under("old", self._old.state_dict()),
            **under("critics", self.critics.state_dict()),
            **under("targets", self._targets.state_dict()),
            **under("replay", self._replay.state_dict()),
            **under("scaler", self._scaler.state_dict()),
            **under("actor_optimiser", optimiser_tensors(self._actor_optimiser)),
            **under("critic_optimiser", optimiser_tensors(self._critic_optimiser)),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a state; see `Learner.load_state_dict`."""
        self.version, self.updates = state["counts"].tolist()
        self._chance.set_state(state["chance"])
        self._policy.load_state_dict(part("policy", state))
        self._old.load_state_dict(part("old", state))
        self.critics.load_state_dict(part("critics", state))
        self._targets.load_state_dict(part("targets", state))
        self._replay.load_state_dict(part("replay", state))
        self._scaler.load_state_dict(part("scaler", state))
        load_optimiser(self._actor_optimiser, part("actor_optimiser", state))
        load_optimiser(self._critic_optimiser, part("critic_optimiser", state))


def _descend(
    loss: Tensor, network: nn.Module, optimiser: torch.optim.Optimizer, clip: float
) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimiser.step()


@torch.no_grad()
def _follow(follower: nn.Module, leader: nn.Module, rate: float) -> None:
    """Move a network a little way towards another one."""
    torch._foreach_lerp_(list(follower.parameters()), list(leader.parameters()), rate)
