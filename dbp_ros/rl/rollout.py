"""Rollouts of a policy in parallel episodes of a vector environment."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dbp_ros.learning.policy_network import PolicyNetwork, image_tensor
from dbp_ros.policy.ar1_latent import AR1Latent
from dbp_ros.rl.learner import Learner
from dbp_ros.rl.state_tensors import with_prefix, without_prefix
from dbp_ros.types import Flags, Floats, Indices, VectorEnv, VectorStepResult

# From observations (B, observation) and latents (B, horizon, nu) to normalised chunks.
Act = Callable[[Tensor, Tensor], Tensor]


class ChunkResult:
    """Results of one chunk per environment, for some environments.

    Attributes:
        executed: Number of executed points. Shape (n,).
        reward: `sum discount^k r_k` over them. Shape (n,).
        undiscounted: `sum r_k`. Shape (n,).
        terminated: Shape (n,).
        truncated: Shape (n,).
        solved: Whether the task was solved at a point. Shape (n,).
        clipped: Number of points whose action exceeded its range. Shape (n,).
    """

    def __init__(self, count: int) -> None:
        """Start without points."""
        self.executed = np.zeros(count, np.int64)
        self.reward, self.undiscounted = np.zeros(count), np.zeros(count)
        self.clipped = np.zeros(count, np.int64)
        self.terminated, self.truncated, self.solved = np.zeros((3, count), bool)

    @property
    def ended(self) -> Flags:
        """Whether the episode is over. Shape (n,)."""
        return self.terminated | self.truncated

    def add(self, live: Indices, step: VectorStepResult, discount: float) -> None:
        """Add one point of the live rows."""
        self.executed[live] += 1
        self.reward[live] += discount * step.rewards
        self.undiscounted[live] += step.rewards
        self.terminated[live] = step.terminated
        self.truncated[live] = step.truncated
        self.solved[live] |= step.successes
        if step.clipped is not None:
            self.clipped[live] += step.clipped


class VectorRollout:
    """Observations, latents and executed chunks of parallel episodes."""

    def __init__(
        self,
        env: VectorEnv,
        policy: PolicyNetwork,
        n_action_steps: int,
        latent_time_constant_s: float,
        seed: int,
    ) -> None:
        """Prepare a rollout; `reset` starts episodes.

        Args:
            env: The environments.
            policy: Computes observations and absolute actions.
            n_action_steps: Executed points of each chunk.
            latent_time_constant_s: See `AR1Latent`.
            seed: Seed of the latents.
        """
        self._env, self._policy, self._n_action_steps = env, policy, n_action_steps
        size = (env.num_envs, policy.n_obs_steps, len(policy.shape.state_names))
        self._states: Floats = np.zeros(size, np.float32)
        self._features = {
            name: torch.zeros(env.num_envs, 1, features)
            for name, features in policy.feature_sizes.items()
        }
        self._stale = np.zeros(env.num_envs, bool)
        self._first = torch.ones(env.num_envs, dtype=torch.bool)
        self._decision_s = n_action_steps * policy.shape.step_s
        self._latents = AR1Latent((env.num_envs, *policy.chunk_shape), latent_time_constant_s)
        self._latents.reset(seed)

    def reset(self, indices: Indices, seeds: Sequence[int]) -> None:
        """Start episodes; the history repeats their first state."""
        self._states[indices] = self._env.reset(indices, seeds)[:, None]
        self._first[indices] = True
        self._stale[indices] = True

    def next_latents(self) -> Tensor:
        """Return the latents of the next decision. Shape (num_envs, horizon, nu)."""
        values = self._latents.advance(self._decision_s, self._first.numpy())
        self._first[:] = False
        return torch.from_numpy(values)

    @torch.no_grad()
    def observe(self) -> Tensor:
        """Return the current observations. Shape (num_envs, observation)."""
        self._encode()
        return self._policy.observe(torch.from_numpy(self._states.copy()), self._features)

    def _encode(self) -> None:
        """Encode the images of the environments that moved since the last call."""
        indices = np.flatnonzero(self._stale)
        if self._features and len(indices):
            images = self._env.render(indices)
            tensors = {n: torch.from_numpy(image)[:, None] for n, image in images.items()}
            tensors = {name: image_tensor(image) for name, image in tensors.items()}
            for name, features in self._policy.encode(tensors, {}).items():
                self._features[name][indices] = features
        self._stale[:] = False

    def execute(self, indices: Indices, chunks: Tensor, discount: float = 1.0) -> ChunkResult:
        """Execute the first points of normalised chunks, until the end of an episode.

        Args:
            indices: Environments. Shape (n,).
            chunks: Shape (n, horizon, nu).
            discount: Of a reward one control step later.
        """
        measured = torch.from_numpy(self._states[indices, -1])
        actions = self._policy.normaliser.absolute_actions(chunks, measured).numpy()
        result, live = ChunkResult(len(indices)), np.arange(len(indices))
        for point in range(self._n_action_steps):
            rows = indices[live]
            step = self._env.step(rows, actions[live, point])
            self._stale[rows] = True
            history = [self._states[rows, 1:], step.states[:, None]]
            self._states[rows] = np.concatenate(history, axis=1)
            result.add(live, step, discount**point)
            live = live[~step.ended]
            if not len(live):
                break
        return result

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state, without that of the environments."""
        own = {
            "states": torch.from_numpy(self._states),
            "first": self._first,
            **with_prefix("features", self._features),
        }
        latents = {n: torch.from_numpy(v) for n, v in self._latents.state_dict().items()}
        return {**with_prefix("rollout", own), **with_prefix("latents", latents)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore a state."""
        own = without_prefix("rollout", state)
        self._states[:] = own["states"].numpy()
        self._first[:] = own["first"]
        # The state contains the features of the last successors.
        self._stale[:] = self._first.numpy()
        self._features = without_prefix("features", own)
        latents = without_prefix("latents", state)
        self._latents.load_state_dict({n: v.numpy() for n, v in latents.items()})


@dataclass(frozen=True)
class EpisodeResults:
    """Results of episodes.

    Attributes:
        successes: Whether each was solved. Shape (episodes,).
        returns: Undiscounted. Shape (episodes,).
        steps: Number of control steps. Shape (episodes,).
    """

    successes: Flags
    returns: NDArray[np.float64]
    steps: NDArray[np.int64]


@torch.no_grad()
def run_episodes(
    env: VectorEnv,
    policy: PolicyNetwork,
    seeds: Sequence[int],
    *,
    n_action_steps: int,
    latent_time_constant_s: float,
    seed: int,
    act: Act | None = None,
) -> EpisodeResults:
    """Roll out one complete episode per seed, in batches of the number of environments.

    Args:
        env: The environments.
        policy: The policy.
        seeds: Seeds of the episodes.
        n_action_steps: Executed points of each chunk.
        latent_time_constant_s: See `AR1Latent`.
        seed: Seed of the latents.
        act: Computes the chunks; by default the policy.
    """
    rollout = VectorRollout(env, policy, n_action_steps, latent_time_constant_s, seed)
    act = act or partial(_act, policy)
    count = len(seeds)
    results = EpisodeResults(np.zeros(count, bool), np.zeros(count), np.zeros(count, np.int64))
    for first in range(0, count, env.num_envs):
        live = np.arange(min(env.num_envs, count - first))
        rollout.reset(live, seeds[first : first + len(live)])
        while len(live):
            result = rollout.execute(
                live, act(rollout.observe()[live], rollout.next_latents()[live])
            )
            results.returns[first + live] += result.undiscounted
            results.successes[first + live] |= result.solved
            results.steps[first + live] += result.executed
            live = live[~result.ended]
    return results


def _act(policy: PolicyNetwork, observation: Tensor, latent: Tensor) -> Tensor:
    chunk: Tensor = policy.method(observation, latent[:, None])[:, 0]
    return chunk


@dataclass(frozen=True)
class EvaluationResult:
    """Result of an evaluation without exploration.

    Attributes:
        success: Fraction of solved episodes.
        episode_return: Mean undiscounted return.
        steps: Total number of control steps.
    """

    success: float
    episode_return: float
    steps: int


def evaluate_learner(
    env: VectorEnv, learner: Learner, seeds: Sequence[int], seed: int
) -> EvaluationResult:
    """Evaluate a learner without exploration.

    Args:
        env: An environment other than that of the collection.
        learner: The learner.
        seeds: Seeds of the episodes.
        seed: Seed of the latents.
    """
    results = run_episodes(
        env,
        learner.policy,
        seeds,
        n_action_steps=learner.config.n_action_steps,
        latent_time_constant_s=learner.config.latent_time_constant_s,
        seed=seed,
        act=learner.act,
    )
    return EvaluationResult(
        float(results.successes.mean()), float(results.returns.mean()), int(results.steps.sum())
    )
