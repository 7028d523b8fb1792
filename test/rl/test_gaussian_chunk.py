"""The density of a sampled chunk, its gradient and its divergence, against formulas."""

import torch
from torch import Tensor

from dbp_ros.rl.gaussian_chunk import GaussianChunk

EXECUTED = torch.tensor([1, 3, 4])


def numbers(*shape: int, seed: int = 0) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=chance, dtype=torch.float64)


def law() -> GaussianChunk:
    return GaussianChunk(
        numbers(3, 4, 2, seed=1).requires_grad_(),
        (0.1 * numbers(3, 4, 2, seed=2) - 2.0).requires_grad_(),
    )


def test_the_gradient_of_the_log_density_is_right() -> None:
    action, mean, log_sigma = (0.3 * numbers(3, 4, 2, seed=seed) for seed in range(3))
    inputs = (mean.requires_grad_(), log_sigma.requires_grad_())
    assert torch.autograd.gradcheck(
        lambda mean, log_sigma: GaussianChunk(mean, log_sigma).log_prob(action, EXECUTED), inputs
    )


def test_points_that_were_played_pull_and_the_others_do_not() -> None:
    made, action = law(), numbers(3, 4, 2)
    made.log_prob(action, EXECUTED).sum().backward()  # type: ignore[no-untyped-call]
    apart = (action - made.mean.detach()) / made.log_sigma.detach().exp()
    played = (torch.arange(4) < EXECUTED[:, None])[..., None].expand(3, 4, 2)
    for said, expected in (
        (made.mean.grad, apart / made.log_sigma.detach().exp()),
        (made.log_sigma.grad, apart.square() - 1.0),
    ):
        assert said is not None
        assert (said[~played] == 0.0).all()
        torch.testing.assert_close(said[played], expected[played], rtol=1e-12, atol=1e-12)


def test_the_log_density_is_that_of_the_normal_law() -> None:
    made, action = law(), numbers(3, 4, 2)
    each = torch.distributions.Normal(made.mean, made.log_sigma.exp()).log_prob(action)
    expected = torch.stack([row[:n].sum() for row, n in zip(each, EXECUTED, strict=True)])
    torch.testing.assert_close(made.log_prob(action, EXECUTED), expected, rtol=1e-12, atol=1e-12)


def test_the_divergence_is_the_closed_form_and_sums_over_what_was_played() -> None:
    one, two = law(), GaussianChunk(numbers(3, 4, 2, seed=5), numbers(3, 4, 2, seed=6) - 1.0)
    each = torch.distributions.kl_divergence(
        torch.distributions.Normal(one.mean, one.log_sigma.exp()),
        torch.distributions.Normal(two.mean, two.log_sigma.exp()),
    )
    expected = torch.stack([row[:n].sum() for row, n in zip(each, EXECUTED, strict=True)])
    torch.testing.assert_close(one.divergence(two, EXECUTED), expected, rtol=1e-12, atol=1e-12)
    assert (one.divergence(one, EXECUTED) == 0.0).all()


def test_samples_have_the_law_that_they_are_scored_by() -> None:
    count = 20_000
    made = GaussianChunk(torch.full((count, 4, 2), 0.3), torch.full((count, 4, 2), -2.0))
    action = made.sample(torch.Generator().manual_seed(0))
    entropy = -float(made.log_prob(action, torch.full((count,), 4)).mean())
    expected = 8 * float(torch.distributions.Normal(0.3, torch.tensor(-2.0).exp()).entropy())
    assert abs(entropy - expected) <= 4 * (8 * 0.5 / count) ** 0.5
