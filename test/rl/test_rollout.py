"""Rollouts: transitions match the environment, and an evaluation counts every episode."""

from collections.abc import Sequence
from itertools import count
from types import SimpleNamespace

import numpy as np
import torch
from sampled_transitions import CONFIG, policy
from torch import Tensor

from dbp_ros.rl.collector import Collector
from dbp_ros.rl.learner import ExploredBatch
from dbp_ros.rl.ppo import PPOLearner
from dbp_ros.rl.rollout import EpisodeResults, evaluate_learner, run_episodes
from dbp_ros.types import Floats, Indices, VectorStepResult


class Countdown:
    """State: seed, steps so far, sum of the actions. Ends after `seed % 10` steps.

    Even seeds end in failure, or success where they are divisible by 4; odd ones are cut short.
    """

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.state = np.zeros((num_envs, 3), np.float32)

    def reset(self, indices: Indices, seeds: Sequence[int]) -> Floats:
        self.state[indices] = 0.0
        self.state[indices, 0] = seeds
        return self.state[indices]

    def step(self, indices: Indices, actions: Floats) -> VectorStepResult:
        self.state[indices] += np.stack([0 * indices, 0 * indices + 1, actions.sum(1)], axis=1)
        seed, steps, _ = (now := self.state[indices]).T
        over, even = steps >= seed % 10, seed % 2 == 0
        return VectorStepResult(
            now, steps.astype(float), over & even, over & ~even, over & (seed % 4 == 0)
        )


def learner() -> PPOLearner:
    return PPOLearner(policy(), CONFIG)


def test_a_chunk_is_executed_until_the_episode_ends() -> None:
    collector = Collector(Countdown(2), learner(), iter([5, 4, 8, 7, 6]), seed=0)
    collected = collector.collect(4)
    transitions = collected.transitions
    # The first environment runs seeds 5 and 7, the second 4, 8 and 6; chunks have 3 steps.
    assert transitions.executed.T.tolist() == [[3, 2, 3, 3], [3, 1, 3, 3]]
    assert transitions.truncated.T.tolist() == [[False, True, False, False], [False] * 4]
    assert transitions.terminated.T.tolist() == [[False] * 4, [False, True, False, False]]
    assert collected.steps == 21
    assert sorted(collected.returns) == [10.0, 15.0]
    assert sorted(collected.successes) == [False, True]


def test_the_successor_is_the_state_before_the_reset() -> None:
    transitions = Collector(Countdown(1), learner(), iter([5, 9]), seed=0).collect(3).transitions
    assert transitions.successor[0, 0, :2].tolist() == [5, 3]
    assert torch.equal(transitions.observation[1], transitions.successor[0])
    assert transitions.successor[1, 0, :2].tolist() == [5, 5]
    assert transitions.observation[2, 0].tolist() == [9, 0, 0]


def test_rewards_are_discounted_within_a_chunk() -> None:
    transitions = Collector(Countdown(1), learner(), iter([5, 9]), seed=0).collect(2).transitions
    gamma = CONFIG.gamma
    expected = [1 + 2 * gamma + 3 * gamma**2, 4 + 5 * gamma]
    torch.testing.assert_close(transitions.reward[:, 0], torch.tensor(expected))


def test_collected_log_probabilities_agree_with_the_learner() -> None:
    transitions = learner()
    collector = Collector(Countdown(8), transitions, count(10**6), seed=0)
    for _ in range(3):
        assert transitions.update(collector.collect(16).transitions)["log_prob_gap"] <= 1e-4


def test_r11_the_density_is_that_of_the_executed_points() -> None:
    """Point 0 is due one step after the observation: points 0, 1 and 2 are executed."""
    transitions = Collector(Countdown(1), learner(), iter([9]), seed=0).collect(1).transitions
    executed = transitions.action[0, 0, :3].sum()
    torch.testing.assert_close(transitions.successor[0, 0, 2], executed)


class RecordingLearner(PPOLearner):
    """A learner that records its batch sizes."""

    batch_sizes: list[int]

    def act(self, observation: Tensor, latent: Tensor) -> Tensor:
        self.batch_sizes.append(len(observation))
        return super().act(observation, latent)


def test_r16_an_evaluation_counts_exactly_its_episodes() -> None:
    transitions = RecordingLearner(policy(), CONFIG)
    transitions.batch_sizes = []
    result = evaluate_learner(Countdown(5), transitions, [4, 5, 6, 8, 9], seed=0)
    assert result.success == 2 / 5
    assert result.steps == 4 + 5 + 6 + 8 + 9
    assert result.episode_return == np.mean([n * (n + 1) / 2 for n in (4, 5, 6, 8, 9)])
    assert transitions.batch_sizes == [5, 5, 2]


def test_an_evaluation_neither_changes_the_collection_nor_explores() -> None:
    runs = []
    for interrupted in (False, True):
        transitions = learner()
        collector = Collector(Countdown(4), transitions, count(10**6), seed=0)
        first = collector.collect(4)
        if interrupted:
            assert evaluate_learner(Countdown(3), transitions, [4, 5, 6], 0) == evaluate_learner(
                Countdown(3), transitions, [4, 5, 6], 0
            )
        runs.append((first, collector.collect(4)))
    assert torch.equal(runs[0][1].transitions.action, runs[1][1].transitions.action)


def test_the_density_of_an_explored_chunk_is_summed_over_the_executed_points() -> None:
    explored = ExploredBatch(torch.zeros(2, 4, 2), torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8]]))
    assert explored.log_prob(torch.tensor([1, 3])).tolist() == [1.0, 18.0]


class CountingPolicy:
    """A policy whose actions encode the decision and the point; it records its observations."""

    n_obs_steps, chunk_shape, feature_sizes = 2, (3, 1), {}
    shape = SimpleNamespace(state_names=("seed", "step", "sum"), step_s=0.1)
    normaliser = SimpleNamespace(absolute_actions=lambda chunks, measured: chunks)

    def __init__(self) -> None:
        self.observations: list[Tensor] = []

    def observe(self, states: Tensor, features: dict[str, Tensor]) -> Tensor:
        return states

    def method(self, observation: Tensor, latent: Tensor) -> Tensor:
        self.observations.append(observation)
        points = torch.arange(3.0)[:, None] + 100.0 * len(self.observations)
        return points.expand(len(observation), 1, 3, 1)


def counted(env: Countdown, seeds: list[int]) -> tuple[CountingPolicy, EpisodeResults]:
    policy = CountingPolicy()
    results = run_episodes(env, policy, seeds, n_action_steps=3, latent_time_constant_s=0.2, seed=0)
    return policy, results


def test_a_chunk_is_executed_to_its_end_before_the_next_decision() -> None:
    env = Countdown(1)
    policy, results = counted(env, [8])
    assert len(policy.observations) == 3
    assert env.state[0, 2] == 100 + 101 + 102 + 200 + 201 + 202 + 300 + 301
    assert (results.steps.tolist(), results.successes.tolist()) == ([8], [True])


def test_the_policy_receives_the_history_of_the_live_episodes() -> None:
    policy, _ = counted(Countdown(3), [5, 2, 9])
    first, second, third = (one[..., :2].tolist() for one in policy.observations)
    assert first == [[[5, 0], [5, 0]], [[2, 0], [2, 0]], [[9, 0], [9, 0]]]
    assert second == [[[5, 2], [5, 3]], [[9, 2], [9, 3]]]
    assert third == [[[9, 5], [9, 6]]]


def test_more_episodes_than_environments_run_in_batches() -> None:
    _, results = counted(Countdown(2), [4, 5, 6, 8, 9])
    assert results.steps.tolist() == [4, 5, 6, 8, 9]
    assert results.successes.tolist() == [True, False, False, True, False]
