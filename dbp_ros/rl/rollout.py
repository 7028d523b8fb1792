"""Let a learner play in many environments at once: to collect decisions, or to be judged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from dbp_ros.learning.policy_network import image_tensor
from dbp_ros.policy.ar1_latent import AR1Latent
from dbp_ros.rl.learner import Learner
from dbp_ros.rl.state_tensors import with_prefix, without_prefix
from dbp_ros.rl.transitions import Transitions
from dbp_ros.types import Floats, Indices, VectorEnv, VectorStepResult


class EpisodeTotals:
    """What became of one decision at each of some places.

    Attributes:
        executed: Points that were played. Shape (n,).
        reward: `sum discount^k r_k` over them. Shape (n,).
        plain: `sum r_k`. Shape (n,).
        terminated: Shape (n,).
        truncated: Shape (n,).
        solved: Whether the task was solved at a point. Shape (n,).
    """

    def __init__(self, count: int) -> None:
        """Begin with nothing played."""
        self.executed = np.zeros(count, np.int64)
        self.reward, self.plain = np.zeros(count), np.zeros(count)
        self.terminated, self.truncated, self.solved = np.zeros((3, count), bool)

    def add(self, live: Indices, step: VectorStepResult, discount: float) -> None:
        """Add one point, played at the places with these indices."""
        self.executed[live] += 1
        self.reward[live] += discount * step.rewards
        self.plain[live] += step.rewards
        self.terminated[live] = step.terminated
        self.truncated[live] = step.truncated
        self.solved[live] |= step.successes


class VectorRollout:
    """Plays the first points of each chunk in the episodes of an environment."""

    def __init__(self, environment: VectorEnv, learner: Learner, seed: int) -> None:
        """Begin no episode yet.

        Args:
            environment: Where.
            learner: Who decides; its policy observes.
            seed: Of the latents.
        """
        self._environment, self._learner = environment, learner
        policy, config = learner.policy, learner.config
        size = (environment.num_envs, policy.history, len(policy.shape.state_names))
        self._past: Floats = np.zeros(size, np.float32)
        self._features = {
            name: torch.zeros(environment.num_envs, 1, features)
            for name, features in policy.feature_sizes.items()
        }
        self._unseen = np.zeros(environment.num_envs, bool)
        self._begun = torch.ones(environment.num_envs, dtype=torch.bool)
        self._decision_s = config.n_action_steps * policy.shape.step_s
        self._latents = AR1Latent(
            (environment.num_envs, *policy.chunk_shape), config.latent_time_constant_s
        )
        self._latents.reset(seed)

    def begin(self, places: Indices, seeds: Sequence[int]) -> None:
        """Begin episodes; their first state is their past."""
        self._past[places] = self._environment.reset(places, seeds)[:, None]
        self._begun[places] = True
        self._unseen[places] = True

    def latents(self) -> Tensor:
        """Return the latents of the next decision. Shape (places, horizon, nu)."""
        values = self._latents.advance(self._decision_s, self._begun.numpy())
        self._begun[:] = False
        return torch.from_numpy(values)

    @torch.no_grad()
    def observe(self) -> Tensor:
        """Return what the head is given now. Shape (places, observation)."""
        self._look()
        return self._learner.policy.observe(torch.from_numpy(self._past.copy()), self._features)

    def _look(self) -> None:
        """Encode what cameras see where something moved since the last time."""
        places = np.flatnonzero(self._unseen)
        if self._features and len(places):
            images = self._environment.render(places)
            tensors = {n: torch.from_numpy(image)[:, None] for n, image in images.items()}
            seen = {name: image_tensor(image) for name, image in tensors.items()}
            for name, features in self._learner.policy.encode(seen, {}).items():
                self._features[name][places] = features
        self._unseen[:] = False

    def play(self, places: Indices, chunks: Tensor, discount: float = 1.0) -> EpisodeTotals:
        """Play the points of normalised chunks that are due before the next decision.

        Args:
            places: Where. Shape (n,).
            chunks: Shape (n, horizon, nu).
            discount: Of a reward one control step later.
        """
        normaliser = self._learner.policy.normaliser
        measured = torch.from_numpy(self._past[places, -1])
        actions = normaliser.absolute_actions(chunks, measured).numpy()
        outcome, live = EpisodeTotals(len(places)), np.arange(len(places))
        for point in range(self._learner.config.n_action_steps):
            step = self._environment.step(places[live], actions[live, point])
            here = places[live]
            self._unseen[here] = True
            self._past[here] = np.concatenate([self._past[here, 1:], step.states[:, None]], axis=1)
            outcome.add(live, step, discount**point)
            live = live[~step.ended]
            if not len(live):
                break
        return outcome

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that changes here; the environment keeps its episodes itself."""
        own = {
            "past": torch.from_numpy(self._past),
            "begun": self._begun,
            **with_prefix("features", self._features),
        }
        latents = {n: torch.from_numpy(v) for n, v in self._latents.state_dict().items()}
        return {**with_prefix("player", own), **with_prefix("latents", latents)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        here = without_prefix("player", state)
        self._past[:] = here["past"].numpy()
        self._begun[:] = here["begun"]
        # Elsewhere the successors of the last decisions were observed already.
        self._unseen[:] = self._begun.numpy()
        self._features = without_prefix("features", here)
        latents = without_prefix("latents", state)
        self._latents.load_state_dict({n: v.numpy() for n, v in latents.items()})


@dataclass(frozen=True)
class CollectedBatch:
    """Decisions, and the episodes that ended among them.

    Attributes:
        transitions: Shape (decisions, places).
        steps: Control steps that were made.
        returns: Undiscounted return of each episode that ended.
        successes: Whether it was solved.
    """

    transitions: Transitions
    steps: int
    returns: list[float]
    successes: list[bool]


class Collector:
    """Collects decisions with exploration; episodes go on from one batch to the next."""

    def __init__(
        self, environment: VectorEnv, learner: Learner, seeds: Iterator[int], seed: int
    ) -> None:
        """Begin an episode at every place.

        Args:
            environment: Where.
            learner: Who decides.
            seeds: Of the episodes, one after another.
            seed: Of the latents and of the exploration.
        """
        self._learner, self._seeds = learner, seeds
        self._generator = torch.Generator().manual_seed(seed + 1)
        self._player = VectorRollout(environment, learner, seed)
        self._places = np.arange(environment.num_envs)
        self._returns = np.zeros(environment.num_envs)
        self._episodes = 0
        self._begin(self._places)

    def _begin(self, places: Indices) -> None:
        self._player.begin(places, [next(self._seeds) for _ in places])
        self._episodes += len(places)

    def collect(self, decisions: int) -> CollectedBatch:
        """Make decisions at every place and play them."""
        parts: list[Transitions] = []
        returns: list[float] = []
        successes: list[bool] = []
        for _ in range(decisions):
            transitions, outcome = self._decide()
            parts.append(transitions)
            self._returns += outcome.plain
            ended = np.flatnonzero(outcome.terminated | outcome.truncated)
            if len(ended):
                returns += self._returns[ended].tolist()
                successes += outcome.solved[ended].tolist()
                self._returns[ended] = 0.0
                self._begin(ended)
        joined = Transitions.concatenate(parts)
        return CollectedBatch(joined, int(joined.executed.sum()), returns, successes)

    def _decide(self) -> tuple[Transitions, EpisodeTotals]:
        player, learner = self._player, self._learner
        observation, latent = player.observe(), player.latents()
        explored = learner.explore(observation, latent, self._generator)
        outcome = player.play(self._places, explored.action, learner.step_discount)
        executed = torch.from_numpy(outcome.executed)
        transitions = Transitions(
            observation=observation[None],
            latent=latent[None],
            action=explored.action[None],
            log_prob=explored.log_prob(executed)[None],
            executed=executed[None],
            reward=torch.from_numpy(outcome.reward).float()[None],
            terminated=torch.from_numpy(outcome.terminated)[None],
            truncated=torch.from_numpy(outcome.truncated)[None],
            successor=player.observe()[None],
            version=torch.full((1, len(executed)), learner.version),
            valid=torch.ones(1, len(executed), dtype=torch.bool),
        )
        return transitions, outcome

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that changes, by flat names; the environment's episodes are not in it."""
        here = {
            "returns": torch.from_numpy(self._returns),
            "episodes": torch.tensor(self._episodes),
            "generator": self._generator.get_state(),
        }
        return {**with_prefix("collector", here), **self._player.state_dict()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state; the environment must be where it was."""
        here = without_prefix("collector", state)
        self._returns[:] = here["returns"].numpy()
        self._generator.set_state(here["generator"])
        ahead = int(here["episodes"]) - self._episodes
        self._episodes += len(list(islice(self._seeds, ahead)))
        self._player.load_state_dict(state)


@dataclass(frozen=True)
class EvaluationResult:
    """Episodes played without exploration.

    Attributes:
        success: Share that was solved.
        episode_return: Mean undiscounted return.
        steps: Control steps in all.
    """

    success: float
    episode_return: float
    steps: int


def evaluate_learner(
    environment: VectorEnv, learner: Learner, seeds: Sequence[int], seed: int
) -> EvaluationResult:
    """Play a fixed number of episodes to their ends, as the policy would be deployed.

    Every episode that is begun is counted, the long ones too; those that are over first do not
    make room for more.

    Args:
        environment: Not the one that is learned in; with at least as many places as seeds.
        learner: Who decides.
        seeds: One for each episode.
        seed: Of the latents.
    """
    player, live = VectorRollout(environment, learner, seed), np.arange(len(seeds))
    player.begin(live, seeds)
    returns, solved, steps = np.zeros(len(seeds)), np.zeros(len(seeds), bool), 0
    while len(live):
        chunks = learner.act(player.observe()[live], player.latents()[live])
        outcome = player.play(live, chunks)
        returns[live] += outcome.plain
        solved[live] |= outcome.solved
        steps += int(outcome.executed.sum())
        live = live[~(outcome.terminated | outcome.truncated)]
    return EvaluationResult(float(solved.mean()), float(returns.mean()), steps)
