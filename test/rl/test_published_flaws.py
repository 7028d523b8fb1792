"""What the published code of DBPO gets wrong, by number, and that this code does not.

The numbers are those of our review of that code: R1 to R16 are its flaws in online learning.
`authors.py` keeps the rules of that code to be compared with; some tests show the flaw on it.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from decisions import CONFIG, SHAPE, TRAINED, decided, policy, questions
from torch import Tensor

from benchmarks.rl.obstacle import ObstacleEnv
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.rl.advantages import estimate_advantages, flowing
from dbp_ros.rl.gaussian_chunk import GaussianChunk
from dbp_ros.rl.ppo import PPOLearner
from dbp_ros.rl.published import AveragedChunk, PublishedLearner
from dbp_ros.rl.reward_scaler import RewardScaler
from dbp_ros.rl.stochastic_policy import StochasticPolicy

GAMMA = 0.99


def advantages_of_a_constant_process(time_limit_terminates: bool) -> Tensor:
    """A reward of 1 for ever, its right value, and a time limit after the third decision.

    What is decided from next, after the reset, is worth something else.
    """
    value = torch.full((6, 1), 1.0 / (1.0 - GAMMA), dtype=torch.float64)
    value[3:] = 7.0
    limit = torch.arange(6)[:, None] == 2
    nowhere = torch.zeros_like(limit)
    return estimate_advantages(
        torch.ones_like(value),
        value,
        value,
        torch.full_like(value, GAMMA),
        limit if time_limit_terminates else nowhere,
        flowing(limit, ~nowhere),
        0.95,
    ).advantages[:3, 0]


def test_r1_a_time_limit_is_no_failure() -> None:
    assert advantages_of_a_constant_process(time_limit_terminates=False).abs().max() <= 1e-6
    failure = advantages_of_a_constant_process(time_limit_terminates=True)
    assert failure.numpy() == pytest.approx([-87.6, -93.1, -99.0], abs=0.05)


def test_r2_rewards_of_a_steady_policy_do_not_grow() -> None:
    scaler, chance = RewardScaler(clip=1e9), torch.Generator().manual_seed(0)
    span, ended = torch.full((50, 8), GAMMA), (torch.arange(400) % 10 == 9).reshape(8, 50).T
    paid, scales = [], []
    for noise in (0.5, 0.05, 0.005):
        for _ in range(20):
            reward = 12.0 + noise * torch.randn(50, 8, generator=chance)
            paid.append(float(scaler(reward, span, ended).mean()))
            scales.append(scaler.scale)
    assert max(paid[20:]) <= 1.02 * paid[19]
    assert scales[-1] == pytest.approx(scales[19], rel=0.02)


@pytest.mark.parametrize("mean", [0.0, 1.1])
def test_r3_the_score_of_what_was_sampled_has_mean_zero_also_out_of_range(mean: float) -> None:
    count, sigma = 40_000, 0.05
    log_sigma = torch.full((count, 1, 1), float(np.log(sigma)), dtype=torch.float64)
    law = GaussianChunk(torch.full_like(log_sigma, mean), log_sigma)
    score = (law.sample(torch.Generator().manual_seed(0)) - mean) / sigma**2
    assert score.mean().abs() <= 4.0 / (sigma * count**0.5)


def test_r3_the_published_sample_pushes_a_saturated_mean_inward() -> None:
    log_sigma = torch.full((40_000, 1, 1), float(np.log(0.05)))
    law = AveragedChunk(torch.full_like(log_sigma, 1.1), log_sigma, planned=1)
    score = (law.sample(torch.Generator().manual_seed(0)) - 1.1) / 0.05**2
    assert float(score.mean()) == pytest.approx(-40.2, abs=0.3)


def test_r4_scales_encoders_and_anchor_do_not_learn() -> None:
    cameras = replace(SHAPE, cameras={"head": (24, 24)})
    torch.manual_seed(0)
    made = PPOLearner(PolicyNetwork(cameras, replace(TRAINED, channels=(8, 8, 8, 8))), CONFIG)
    size = made.policy.observation_size
    chance = torch.Generator().manual_seed(1)
    seen, later = torch.randn(2, 16, 8, size, generator=chance)
    fixed = {
        name: value.clone()
        for name, value in made.actor.state_dict().items()
        if not name.startswith(("policy.method", "spread"))
    }
    learned = made.actor.state_dict()["policy.method.head.enter.weight"].clone()
    latent = questions(1, 8)[1][0]
    anchored = made.actor.imitated(seen[0], latent, torch.Generator())
    explored = made.explore(seen.flatten(0, 1), questions(16, 8)[1].flatten(0, 1), chance)
    narrow = PPOLearner(policy(), CONFIG)
    transitions = replace(
        decided(narrow, observation=seen, successor=later),
        action=explored.action.unflatten(0, (16, 8)),
    )
    made.update(transitions)
    after = made.actor.state_dict()
    assert not torch.equal(after["policy.method.head.enter.weight"], learned)
    assert any(name.startswith("policy.normaliser") for name in fixed)
    assert any(name.startswith("policy.encoders") for name in fixed)
    for name, value in fixed.items():
        assert torch.equal(after[name], value), name
    assert torch.equal(made.actor.imitated(seen[0], latent, torch.Generator()), anchored)


def test_r5_exploration_starts_where_it_can_learn_both_ways() -> None:
    published = PublishedLearner(policy(), CONFIG).actor.spread
    for spread, alive in ((StochasticPolicy(policy(), CONFIG).spread, True), (published, False)):
        with torch.no_grad():
            spread.linear.bias -= 1e-3
        spread(torch.zeros(1, 3)).sum().backward()
        assert bool((spread.linear.bias.grad != 0.0).all()) == alive


def test_r6_the_ratio_is_that_of_the_densities_and_not_a_root_of_it() -> None:
    before = GaussianChunk(torch.zeros(1, 4, 2), torch.zeros(1, 4, 2))
    after = GaussianChunk(torch.full((1, 4, 2), 0.1), torch.zeros(1, 4, 2))
    action, executed = torch.full((1, 4, 2), 0.5), torch.tensor([4])
    moved = after.log_prob(action, executed) - before.log_prob(action, executed)
    assert float(moved) == pytest.approx(8 * (0.5**2 - 0.4**2) / 2, rel=1e-5)


def test_r7_the_divergence_is_tested_before_the_step_and_can_be_reached() -> None:
    made = PPOLearner(policy(), replace(CONFIG, actor_learning_rate=1e-2, kl_target=0.0))
    # The first step starts from no divergence at all, and the second one from too much.
    assert made.update(decided(made))["actor_steps"] == 1


def test_r8_the_data_of_an_update_are_many_minibatches() -> None:
    made = PPOLearner(policy(), replace(CONFIG, kl_target=1e9, epochs=3))
    assert made.update(decided(made))["actor_steps"] == 3 * 128 / CONFIG.minibatch


def test_r9_the_discount_counts_control_steps() -> None:
    """Two chunks of 3 and 1 steps are worth what the four steps are."""
    steps = torch.tensor([[3], [1]])
    paid = torch.tensor([[1.0 + GAMMA + GAMMA**2], [1.0]])
    nothing = torch.zeros(2, 1)
    last = torch.tensor([[False], [True]])
    returns = estimate_advantages(paid, nothing, nothing, GAMMA**steps, last, ~last, 1.0).returns
    assert float(returns[0, 0]) == pytest.approx(sum(GAMMA**k for k in range(4)))


def test_r10_points_that_were_not_played_change_nothing() -> None:
    weights = []
    for unplayed in (0.0, 9.0):
        made = PPOLearner(policy(), CONFIG)
        transitions = decided(made)
        played = torch.arange(4) < transitions.executed[..., None]
        action = torch.where(played[..., None], transitions.action, unplayed)
        made.update(replace(transitions, action=action))
        weights.append(made.actor.state_dict())
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


def test_r12_what_was_sampled_is_scored_by_the_law_it_was_sampled_from() -> None:
    made = PPOLearner(policy(), CONFIG)
    assert made.update(decided(made))["log_prob_gap"] <= 1e-5
    transitions = decided(made)
    made.actor.spread.linear.bias.data += 1.0
    assert made.update(transitions)["log_prob_gap"] >= 1.0


def test_r13_a_minibatch_costs_one_forward_pass_and_the_anchor_holds_what_is_played() -> None:
    made = PPOLearner(policy(), replace(CONFIG, kl_target=1e9, epochs=2))
    transitions = decided(made)
    calls: list[int] = []
    method = made.actor.policy.method
    method.register_forward_hook(lambda *_: calls.append(1))
    steps = made.update(transitions)["actor_steps"]
    minibatches = 128 / CONFIG.minibatch
    assert len(calls) == steps + 2 * minibatches  # what it was and what it became, to measure


def test_r14_training_mode_never_reaches_the_anchor() -> None:
    exploring = StochasticPolicy(policy(), CONFIG).train()
    assert exploring.policy.method.training
    modes = [part.training for part in exploring.anchor.modules()]
    modes += [part.training for part in exploring.policy.encoders.modules()]
    assert not any(modes)


def test_r15_an_episode_is_its_seed_and_nothing_else() -> None:
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    alone, crowd = ObstacleEnv(1), ObstacleEnv(5)
    crowd.reset(np.arange(5), range(100, 105))
    crowd.step(np.arange(5), np.ones((5, 2), np.float32))
    crowd.reset(np.array([3]), [42])
    alone.reset(np.array([0]), [42])
    for _ in range(3):
        ahead = np.array([[0.5, 0.9]], np.float32)
        here, there = alone.step(np.array([0]), ahead), crowd.step(np.array([3]), ahead)
        np.testing.assert_array_equal(here.states, there.states)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
