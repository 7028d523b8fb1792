"""Flaws R1 to R16 of the published code of DBPO, which this code does not have.

`published.py` has the rules of that code; some tests show the flaw on it.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sampled_transitions import (
    CONFIG,
    SHAPE,
    TRAINED,
    observations_and_latents,
    policy,
    sampled_transitions,
)
from torch import Tensor

from benchmarks.rl.obstacle import ObstacleEnv
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.rl.advantages import episode_continues, estimate_advantages
from dbp_ros.rl.dbpo_published import AveragedChunk, PublishedLearner
from dbp_ros.rl.gaussian_chunk import GaussianChunk
from dbp_ros.rl.ppo import PPOLearner
from dbp_ros.rl.reward_scaler import RewardScaler
from dbp_ros.rl.stochastic_policy import StochasticPolicy

GAMMA = 0.99


def advantages_of_a_constant_process(time_limit_terminates: bool) -> Tensor:
    """Return advantages of a constant reward with exact values, truncated after three decisions.

    The value after the reset differs.
    """
    value = torch.full((6, 1), 1.0 / (1.0 - GAMMA), dtype=torch.float64)
    value[3:] = 7.0
    limit = torch.arange(6)[:, None] == 2
    no_limit = torch.zeros_like(limit)
    return estimate_advantages(
        torch.ones_like(value),
        value,
        value,
        torch.full_like(value, GAMMA),
        limit if time_limit_terminates else no_limit,
        episode_continues(limit, ~no_limit),
        0.95,
    ).advantages[:3, 0]


def test_r1_a_time_limit_does_not_terminate() -> None:
    assert advantages_of_a_constant_process(time_limit_terminates=False).abs().max() <= 1e-6
    failure = advantages_of_a_constant_process(time_limit_terminates=True)
    assert failure.numpy() == pytest.approx([-87.6, -93.1, -99.0], abs=0.05)


def test_r2_rewards_of_a_steady_policy_do_not_grow() -> None:
    scaler, generator = RewardScaler(clip=1e9), torch.Generator().manual_seed(0)
    discount, ended = torch.full((50, 8), GAMMA), (torch.arange(400) % 10 == 9).reshape(8, 50).T
    rewards, scales = [], []
    for noise in (0.5, 0.05, 0.005):
        for _ in range(20):
            reward = 12.0 + noise * torch.randn(50, 8, generator=generator)
            rewards.append(float(scaler(reward, discount, ended, torch.ones_like(ended)).mean()))
            scales.append(scaler.scale)
    assert max(rewards[20:]) <= 1.02 * rewards[19]
    assert scales[-1] == pytest.approx(scales[19], rel=0.02)


@pytest.mark.parametrize("mean", [0.0, 1.1])
def test_r3_the_mean_score_function_is_zero_also_out_of_range(mean: float) -> None:
    count, sigma = 40_000, 0.05
    log_sigma = torch.full((count, 1, 1), float(np.log(sigma)), dtype=torch.float64)
    distribution = GaussianChunk(torch.full_like(log_sigma, mean), log_sigma)
    score = (distribution.sample(torch.Generator().manual_seed(0)) - mean) / sigma**2
    assert score.mean().abs() <= 4.0 / (sigma * count**0.5)


def test_r3_the_published_gradient_of_a_saturated_mean_points_inward() -> None:
    log_sigma = torch.full((40_000, 1, 1), float(np.log(0.05)))
    distribution = AveragedChunk(torch.full_like(log_sigma, 1.1), log_sigma, planned=1)
    score = (distribution.sample(torch.Generator().manual_seed(0)) - 1.1) / 0.05**2
    assert float(score.mean()) == pytest.approx(-40.2, abs=0.3)


def test_r4_normaliser_encoders_and_anchor_are_not_trained() -> None:
    cameras = replace(SHAPE, cameras={"head": (24, 24)})
    torch.manual_seed(0)
    learner = PPOLearner(PolicyNetwork(cameras, replace(TRAINED, channels=(8, 8, 8, 8))), CONFIG)
    size = learner.policy.observation_size
    generator = torch.Generator().manual_seed(1)
    seen, later = torch.randn(2, 16, 8, size, generator=generator)
    fixed = {
        name: value.clone()
        for name, value in learner.actor.state_dict().items()
        if not name.startswith(("policy.method", "log_std_head"))
    }
    learned = learner.actor.state_dict()["policy.method.head.enter.weight"].clone()
    latent = observations_and_latents(1, 8)[1][0]
    anchored = learner.actor.anchor_chunk(seen[0], latent, torch.Generator())
    explored = learner.explore(
        seen.flatten(0, 1), observations_and_latents(16, 8)[1].flatten(0, 1), generator
    )
    narrow = PPOLearner(policy(), CONFIG)
    transitions = replace(
        sampled_transitions(narrow, observation=seen, successor=later),
        action=explored.action.unflatten(0, (16, 8)),
    )
    learner.update(transitions)
    after = learner.actor.state_dict()
    assert not torch.equal(after["policy.method.head.enter.weight"], learned)
    assert any(name.startswith("policy.normaliser") for name in fixed)
    assert any(name.startswith("policy.encoders") for name in fixed)
    for name, value in fixed.items():
        assert torch.equal(after[name], value), name
    assert torch.equal(learner.actor.anchor_chunk(seen[0], latent, torch.Generator()), anchored)


def test_r5_the_initial_standard_deviation_has_a_gradient_in_both_directions() -> None:
    published = PublishedLearner(policy(), CONFIG).actor.log_std_head
    for head, alive in (
        (StochasticPolicy(policy(), CONFIG).log_std_head, True),
        (published, False),
    ):
        with torch.no_grad():
            head.linear.bias -= 1e-3
        head(torch.zeros(1, 3)).sum().backward()
        assert bool((head.linear.bias.grad != 0.0).all()) == alive


def test_r6_the_ratio_is_the_density_ratio_and_not_its_root() -> None:
    before = GaussianChunk(torch.zeros(1, 4, 2), torch.zeros(1, 4, 2))
    after = GaussianChunk(torch.full((1, 4, 2), 0.1), torch.zeros(1, 4, 2))
    action, executed = torch.full((1, 4, 2), 0.5), torch.tensor([4])
    moved = after.log_prob(action, executed) - before.log_prob(action, executed)
    assert float(moved) == pytest.approx(8 * (0.5**2 - 0.4**2) / 2, rel=1e-5)


def test_r7_the_kl_is_tested_before_the_step_and_its_target_is_reachable() -> None:
    learner = PPOLearner(policy(), replace(CONFIG, actor_learning_rate=1e-2, target_kl=0.0))
    # The first step starts at a KL of zero, the second one above the target.
    assert learner.update(sampled_transitions(learner))["actor_steps"] == 1


def test_r8_an_update_has_many_minibatches() -> None:
    learner = PPOLearner(policy(), replace(CONFIG, target_kl=1e9, num_learning_epochs=3))
    assert (
        learner.update(sampled_transitions(learner))["actor_steps"]
        == 3 * 128 / CONFIG.minibatch_size
    )


def test_r9_the_discount_counts_control_steps() -> None:
    """Two chunks of 3 and 1 steps have the return of the four steps."""
    steps = torch.tensor([[3], [1]])
    rewards = torch.tensor([[1.0 + GAMMA + GAMMA**2], [1.0]])
    nothing = torch.zeros(2, 1)
    last = torch.tensor([[False], [True]])
    returns = estimate_advantages(rewards, nothing, nothing, GAMMA**steps, last, ~last, 1.0).returns
    assert float(returns[0, 0]) == pytest.approx(sum(GAMMA**k for k in range(4)))


def test_r10_points_that_were_not_executed_change_nothing() -> None:
    weights = []
    for unexecuted in (0.0, 9.0):
        learner = PPOLearner(policy(), CONFIG)
        transitions = sampled_transitions(learner)
        executed = torch.arange(4) < transitions.executed[..., None]
        action = torch.where(executed[..., None], transitions.action, unexecuted)
        learner.update(replace(transitions, action=action))
        weights.append(learner.actor.state_dict())
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


def test_r12_samples_have_the_density_of_their_distribution() -> None:
    learner = PPOLearner(policy(), CONFIG)
    assert learner.update(sampled_transitions(learner))["log_prob_gap"] <= 1e-5
    transitions = sampled_transitions(learner)
    learner.actor.log_std_head.linear.bias.data += 1.0
    assert learner.update(transitions)["log_prob_gap"] >= 1.0


def test_r13_a_minibatch_costs_one_forward_pass() -> None:
    learner = PPOLearner(policy(), replace(CONFIG, target_kl=1e9, num_learning_epochs=2))
    transitions = sampled_transitions(learner)
    calls: list[int] = []
    method = learner.actor.policy.method
    method.register_forward_hook(lambda *_: calls.append(1))
    steps = learner.update(transitions)["actor_steps"]
    minibatches = 128 / CONFIG.minibatch_size
    assert len(calls) == steps + 2 * minibatches  # plus the reference and the diagnostics


def test_r14_training_mode_does_not_change_the_anchor() -> None:
    exploring = StochasticPolicy(policy(), CONFIG).train()
    assert exploring.policy.method.training
    modes = [part.training for part in exploring.anchor.modules()]
    modes += [part.training for part in exploring.policy.encoders.modules()]
    assert not any(modes)


def test_r15_an_episode_depends_on_its_seed_only() -> None:
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    alone, crowd = ObstacleEnv(1), ObstacleEnv(5)
    crowd.reset(np.arange(5), range(100, 105))
    crowd.step(np.arange(5), np.ones((5, 2), np.float32))
    crowd.reset(np.array([3]), [42])
    alone.reset(np.array([0]), [42])
    for _ in range(3):
        ahead = np.array([[0.5, 0.9]], np.float32)
        one, other = alone.step(np.array([0]), ahead), crowd.step(np.array([3]), ahead)
        np.testing.assert_array_equal(one.states, other.states)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
