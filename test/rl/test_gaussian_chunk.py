"""Density, gradient and KL of a sampled chunk, compared with formulas."""

import torch
from torch import Tensor

from dbp_ros.rl.gaussian_chunk import GaussianChunk

EXECUTED = torch.tensor([1, 3, 4])


def numbers(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def distribution() -> GaussianChunk:
    return GaussianChunk(
        numbers(3, 4, 2, seed=1).requires_grad_(),
        (0.1 * numbers(3, 4, 2, seed=2) - 2.0).requires_grad_(),
    )


def test_the_gradient_of_the_log_density_is_correct() -> None:
    action, mean, log_sigma = (0.3 * numbers(3, 4, 2, seed=seed) for seed in range(3))
    inputs = (mean.requires_grad_(), log_sigma.requires_grad_())
    assert torch.autograd.gradcheck(
        lambda mean, log_sigma: GaussianChunk(mean, log_sigma).log_prob(action, EXECUTED), inputs
    )


def test_executed_points_have_a_gradient_and_the_others_none() -> None:
    chunk, action = distribution(), numbers(3, 4, 2)
    chunk.log_prob(action, EXECUTED).sum().backward()  # type: ignore[no-untyped-call]
    standardised = (action - chunk.mean.detach()) / chunk.log_sigma.detach().exp()
    executed = (torch.arange(4) < EXECUTED[:, None])[..., None].expand(3, 4, 2)
    for gradient, expected in (
        (chunk.mean.grad, standardised / chunk.log_sigma.detach().exp()),
        (chunk.log_sigma.grad, standardised.square() - 1.0),
    ):
        assert gradient is not None
        assert (gradient[~executed] == 0.0).all()
        torch.testing.assert_close(gradient[executed], expected[executed], rtol=1e-12, atol=1e-12)


def test_the_log_density_is_that_of_the_normal_distribution() -> None:
    chunk, action = distribution(), numbers(3, 4, 2)
    each = torch.distributions.Normal(chunk.mean, chunk.log_sigma.exp()).log_prob(action)
    expected = torch.stack([row[:n].sum() for row, n in zip(each, EXECUTED, strict=True)])
    torch.testing.assert_close(chunk.log_prob(action, EXECUTED), expected, rtol=1e-12, atol=1e-12)


def test_the_kl_is_the_closed_form_over_the_executed_points() -> None:
    one, two = (
        distribution(),
        GaussianChunk(numbers(3, 4, 2, seed=5), numbers(3, 4, 2, seed=6) - 1.0),
    )
    each = torch.distributions.kl_divergence(
        torch.distributions.Normal(one.mean, one.log_sigma.exp()),
        torch.distributions.Normal(two.mean, two.log_sigma.exp()),
    )
    expected = torch.stack([row[:n].sum() for row, n in zip(each, EXECUTED, strict=True)])
    torch.testing.assert_close(one.kl(two, EXECUTED), expected, rtol=1e-12, atol=1e-12)
    assert (one.kl(one, EXECUTED) == 0.0).all()


def test_samples_have_the_entropy_of_their_density() -> None:
    count = 20_000
    chunk = GaussianChunk(torch.full((count, 4, 2), 0.3), torch.full((count, 4, 2), -2.0))
    action = chunk.sample(torch.Generator().manual_seed(0))
    entropy = -float(chunk.log_prob(action, torch.full((count,), 4)).mean())
    expected = 8 * float(torch.distributions.Normal(0.3, torch.tensor(-2.0).exp()).entropy())
    assert abs(entropy - expected) <= 4 * (8 * 0.5 / count) ** 0.5
