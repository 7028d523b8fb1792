"""The exploring policy: what was imitated at the start, and exploration that stays alive."""

import pytest
import torch
from decisions import CONFIG, decided, policy, questions

from dbp_ros.errors import ConfigError
from dbp_ros.rl.config import FinetuneConfig
from dbp_ros.rl.ppo import PPOLearner
from dbp_ros.rl.stochastic_policy import SigmaHead, StochasticPolicy


@pytest.mark.parametrize("method", ["dbp", "bc_mse"])
def test_a_new_one_says_to_the_bit_what_was_imitated(method: str) -> None:
    imitated = policy(method)
    exploring = StochasticPolicy(imitated, CONFIG)
    observation, latent = (asked[0] for asked in questions(1, 50))
    expected = imitated.method(observation, latent[:, None])[:, 0]
    assert torch.equal(exploring(observation, latent).mean, expected)
    assert torch.equal(exploring.imitated(observation, latent, torch.Generator()), expected)


def test_exploration_starts_alike_everywhere() -> None:
    observation, latent = (asked[0] for asked in questions(1, 50))
    law = StochasticPolicy(policy(), CONFIG)(observation, latent)
    torch.testing.assert_close(
        law.log_sigma.exp(), torch.full((50, 4, 2), CONFIG.sigma), rtol=1e-6, atol=0
    )


def test_exploration_learns_on_from_wherever_it_gets() -> None:
    head = SigmaHead(3, (4, 2), CONFIG)
    start = head.linear.bias.detach().clone()
    # One step moves the standard deviation by about itself at the start.
    for steps in range(-10, 11):
        with torch.no_grad():
            head.linear.bias.copy_(start + steps)
        head.zero_grad()
        said = head(torch.zeros(1, 3))
        said.sum().backward()
        assert (head.linear.bias.grad != 0.0).all()
        assert CONFIG.sigma_low <= said.detach().exp().min()
        assert said.detach().exp().max() <= CONFIG.sigma_high


def test_a_start_on_a_bound_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"sigma = 0.03: expected more than sigma_low = 0.03"):
        FinetuneConfig(sigma=0.03, sigma_low=0.03)


def test_what_learned_is_deployed_and_the_original_is_left_alone() -> None:
    imitated = policy()
    before = {name: value.clone() for name, value in imitated.state_dict().items()}
    learner = PPOLearner(imitated, CONFIG)
    learner.update(decided(learner))
    deployed = learner.actor.deployable()
    observation, latent = (asked[0] for asked in questions(1, 50))
    said = deployed.method(observation, latent[:, None])[:, 0]
    assert torch.equal(said, learner.decide(observation, latent))
    assert not torch.equal(said, imitated.method(observation, latent[:, None])[:, 0])
    for name, value in imitated.state_dict().items():
        assert torch.equal(value, before[name])
