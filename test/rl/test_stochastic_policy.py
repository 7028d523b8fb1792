"""The stochastic policy: the pretrained mean at the start, and a trainable standard deviation."""

import copy

import pytest
import torch
from sampled_transitions import CONFIG, observations_and_latents, policy, sampled_transitions

from dbp_ros.errors import ConfigError
from dbp_ros.rl.ppo import PPOLearner
from dbp_ros.rl.stochastic_policy import SigmaHead, StochasticPolicy
from dbp_ros.settings.finetune import FinetuneConfig


@pytest.mark.parametrize("method", ["dbp", "bc_mse"])
def test_the_initial_mean_is_bit_identical_to_the_pretrained_chunk(method: str) -> None:
    pretrained = policy(method)
    exploring = StochasticPolicy(pretrained, CONFIG)
    observation, latent = (value[0] for value in observations_and_latents(1, 50))
    expected = pretrained.method(observation, latent[:, None])[:, 0]
    assert torch.equal(exploring(observation, latent).mean, expected)
    assert torch.equal(exploring.anchor_chunk(observation, latent, torch.Generator()), expected)


def test_the_initial_standard_deviation_is_constant() -> None:
    observation, latent = (value[0] for value in observations_and_latents(1, 50))
    distribution = StochasticPolicy(policy(), CONFIG)(observation, latent)
    torch.testing.assert_close(
        distribution.log_sigma.exp(),
        torch.full((50, 4, 2), CONFIG.init_noise_std),
        rtol=1e-6,
        atol=0,
    )


def test_the_standard_deviation_has_a_gradient_everywhere() -> None:
    head = SigmaHead(3, (4, 2), CONFIG)
    start = head.linear.bias.detach().clone()
    # One step moves the standard deviation by about itself at the start.
    for steps in range(-10, 11):
        with torch.no_grad():
            head.linear.bias.copy_(start + steps)
        head.zero_grad()
        output = head(torch.zeros(1, 3))
        output.sum().backward()
        assert (head.linear.bias.grad != 0.0).all()
        assert CONFIG.min_noise_std <= output.detach().exp().min()
        assert output.detach().exp().max() <= CONFIG.max_noise_std


def test_a_start_on_a_bound_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"init_noise_std = 0.03: .* more than min_noise_std = 0.03"
    ):
        FinetuneConfig(init_noise_std=0.03, min_noise_std=0.03)


def test_the_trained_policy_is_deployed_and_the_original_is_unchanged() -> None:
    pretrained = policy()
    before = {name: value.clone() for name, value in pretrained.state_dict().items()}
    learner = PPOLearner(pretrained, CONFIG)
    learner.update(sampled_transitions(learner))
    deployed = copy.deepcopy(learner.actor.policy)
    observation, latent = (value[0] for value in observations_and_latents(1, 50))
    output = deployed.method(observation, latent[:, None])[:, 0]
    assert torch.equal(output, learner.act(observation, latent))
    assert not torch.equal(output, pretrained.method(observation, latent[:, None])[:, 0])
    for name, value in pretrained.state_dict().items():
        assert torch.equal(value, before[name])
