"""The energy score and its field against loops, gradients and samples of known distributions."""

import math

import pytest
import torch
from torch import Tensor

from dbp_ros.drift.energy import energy_drifting, energy_score


def points(*shape: int, seed: int = 0) -> Tensor:
    """Return standard normal points."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def score_by_loops(x: Tensor, y: Tensor) -> Tensor:
    """Return the sum of scores computed by loops, without a division by a distance of zero."""
    samples = x.shape[1]
    total = x.new_zeros(())
    for b in range(len(x)):
        for i in range(samples):
            total = total + (x[b, i] - y[b, 0]).norm() / samples
            for j in range(samples):
                if i != j:
                    total = total - (x[b, i] - x[b, j]).norm() / (2 * samples * (samples - 1))
    return total


def test_the_energy_field_is_the_negative_gradient_of_the_energy_score() -> None:
    x, y = points(2, 4, 6).requires_grad_(), points(2, 1, 6, seed=1)
    (gradient,) = torch.autograd.grad(score_by_loops(x, y), x)
    velocity = energy_drifting(x.detach(), y).velocity
    assert (velocity / math.sqrt(6) + 4 * gradient).abs().max() <= 1e-12


def test_the_energy_field_is_equivariant_to_rotation_translation_and_permutation() -> None:
    x, y = points(5, 4, 12), points(5, 1, 12, seed=1)
    rotation = torch.linalg.qr(points(12, 12, seed=2))[0]
    order = torch.tensor([2, 0, 3, 1])
    velocity = energy_drifting(x, y).velocity
    assert (
        energy_drifting(x @ rotation, y @ rotation).velocity - velocity @ rotation
    ).abs().max() <= 1e-12
    assert (energy_drifting(x + 3.0, y + 3.0).velocity - velocity).abs().max() <= 1e-12
    assert (energy_drifting(x[:, order], y).velocity - velocity[:, order]).abs().max() <= 1e-12


def test_the_mean_energy_force_on_samples_of_the_data_distribution_is_zero() -> None:
    x, y = points(20000, 4, 2), points(20000, 1, 2, seed=1)
    velocity = energy_drifting(x, y).velocity
    radial = (velocity * x).sum() / x.square().sum()
    assert radial.abs() <= 0.02
    narrow = energy_drifting(0.5 * x, y).velocity
    assert (narrow * x).sum() / x.square().sum() >= 0.1


def test_the_energy_field_of_one_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 generated samples, got 1"):
        energy_drifting(points(1, 1, 12), points(1, 1, 12))


def test_the_energy_score_agrees_with_the_loops() -> None:
    x, y = points(2, 4, 6), points(2, 1, 6, seed=1)
    assert energy_score(x, y).sum().item() == pytest.approx(score_by_loops(x, y).item())


def test_the_energy_score_is_smallest_for_the_data_distribution() -> None:
    x, y = points(4000, 8, 3), points(4000, 1, 3, seed=1)
    matching = energy_score(x, y).mean()
    assert matching < energy_score(0.5 * x, y).mean()
    assert matching < energy_score(2.0 * x, y).mean()
    assert matching < energy_score(x + 0.5, y).mean()
