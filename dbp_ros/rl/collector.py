"""Collection of transitions with exploration."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from dbp_ros.rl.learner import Learner
from dbp_ros.rl.rollout import ChunkResult, VectorRollout
from dbp_ros.rl.state_tensors import with_prefix, without_prefix
from dbp_ros.rl.transitions import Transitions
from dbp_ros.types import Indices, VectorEnv


@dataclass(frozen=True)
class CollectedBatch:
    """Transitions, with the results of the episodes that ended.

    Attributes:
        transitions: Shape (decisions, num_envs).
        steps: Number of control steps.
        returns: Undiscounted return of each ended episode.
        successes: Whether each ended episode was solved.
        clipped: Number of actions that exceeded their range.
    """

    transitions: Transitions
    steps: int
    returns: list[float]
    successes: list[bool]
    clipped: int


class Collector:
    """Collection of transitions; episodes continue from one batch to the next."""

    def __init__(self, env: VectorEnv, learner: Learner, seeds: Iterator[int], seed: int) -> None:
        """Start an episode in every environment.

        Args:
            env: The environments.
            learner: The learner.
            seeds: Seeds of the episodes, in order.
            seed: Seed of the latents and the exploration.
        """
        self._learner, self._seeds = learner, seeds
        self._generator = torch.Generator().manual_seed(seed + 1)
        config = learner.config
        self._rollout = VectorRollout(
            env, learner.policy, config.n_action_steps, config.latent_time_constant_s, seed
        )
        self._indices = np.arange(env.num_envs)
        self._returns = np.zeros(env.num_envs)
        self._episodes = 0
        self._reset(self._indices)

    def _reset(self, indices: Indices) -> None:
        self._rollout.reset(indices, [next(self._seeds) for _ in indices])
        self._episodes += len(indices)

    def collect(self, decisions: int) -> CollectedBatch:
        """Execute a number of decisions in every environment."""
        parts: list[Transitions] = []
        returns: list[float] = []
        successes: list[bool] = []
        clipped = 0
        for _ in range(decisions):
            transitions, result = self._step()
            parts.append(transitions)
            self._returns += result.undiscounted
            clipped += int(result.clipped.sum())
            ended = np.flatnonzero(result.ended)
            if len(ended):
                returns += self._returns[ended].tolist()
                successes += result.solved[ended].tolist()
                self._returns[ended] = 0.0
                self._reset(ended)
        joined = Transitions.concatenate(parts)
        return CollectedBatch(joined, int(joined.executed.sum()), returns, successes, clipped)

    def _step(self) -> tuple[Transitions, ChunkResult]:
        rollout, learner = self._rollout, self._learner
        observation, latent = rollout.observe(), rollout.next_latents()
        explored = learner.explore(observation, latent, self._generator)
        result = rollout.execute(self._indices, explored.action, learner.step_discount)
        executed = torch.from_numpy(result.executed)
        transitions = Transitions(
            observation=observation[None],
            latent=latent[None],
            action=explored.action[None],
            log_prob=explored.log_prob(executed)[None],
            executed=executed[None],
            reward=torch.from_numpy(result.reward).float()[None],
            terminated=torch.from_numpy(result.terminated)[None],
            truncated=torch.from_numpy(result.truncated)[None],
            successor=rollout.observe()[None],
            version=torch.full((1, len(executed)), learner.version),
            valid=torch.ones(1, len(executed), dtype=torch.bool),
        )
        return transitions, result

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state by flat names, without that of the environments."""
        own = {
            "returns": torch.from_numpy(self._returns),
            "episodes": torch.tensor(self._episodes),
            "generator": self._generator.get_state(),
        }
        return {**with_prefix("collector", own), **self._rollout.state_dict()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore a state; the environments must be restored before."""
        own = without_prefix("collector", state)
        self._returns[:] = own["returns"].numpy()
        self._generator.set_state(own["generator"])
        resets = int(own["episodes"]) - self._episodes
        self._episodes += len(list(islice(self._seeds, resets)))
        self._rollout.load_state_dict(state)
