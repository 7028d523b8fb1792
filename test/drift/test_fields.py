"""Analytic properties of the drifting fields and their loss."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dbp_ros.drift.fields import (
    PUBLISHED_TEMPERATURES,
    WIDE_TEMPERATURES,
    Drift,
    conditional_drifting,
    distances,
    drifting,
    forces,
    sum_of_unit_forces,
)
from dbp_ros.drift.losses import scaled_loss

both_fields = pytest.mark.parametrize("field", [drifting, conditional_drifting])
DriftingField = Callable[..., Drift]


def points(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return standard normal points."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def force_between(queries: Tensor, negatives: Tensor, positives: Tensor) -> Tensor:
    """Return the force of negatives and positives on other points."""
    targets = torch.cat([negatives, positives], dim=1)
    return forces(
        queries,
        targets,
        distances(queries, targets) / 3.0,
        negatives=negatives.shape[1],
        temperatures=(*PUBLISHED_TEMPERATURES, *WIDE_TEMPERATURES),
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("sizes", [(4, 4), (3, 5)])
def test_swapping_negatives_and_positives_negates_the_force(
    sizes: tuple[int, int], dtype: torch.dtype, tolerance: float
) -> None:
    queries = points(2, 6, 12, dtype=dtype)
    a, b = (
        points(2, sizes[0], 12, seed=1, dtype=dtype),
        points(2, sizes[1], 12, seed=2, dtype=dtype),
    )
    force, swapped = force_between(queries, a, b), force_between(queries, b, a)
    assert (force + swapped).abs().max() <= tolerance
    assert force.abs().max() >= 0.01


def test_equal_negatives_and_positives_give_no_force() -> None:
    queries, a = points(2, 6, 12), points(2, 4, 12, seed=1)
    assert force_between(queries, a, a[:, [2, 0, 3, 1]]).abs().max() <= 1e-12


SIZES = [(8, 1, 2), (4, 1, 2), (2, 1, 2), (4, 1, 12), (4, 1, 32)]


def mean_over_rms(velocity: Tensor) -> float:
    return float(velocity.mean((0, 1)).norm() / velocity.square().sum(-1).mean().sqrt())


def fixed_drifting(x: Tensor, y: Tensor) -> Drift:
    return drifting(x, y, scale=math.sqrt(2 * x.shape[2]))


@pytest.mark.parametrize(
    ("field", "sizes"),
    [(fixed_drifting, sizes) for sizes in SIZES]
    # With two samples the conditional scale is biased: a radial drift of 0.08.
    + [(conditional_drifting, sizes) for sizes in SIZES if sizes[0] > 2],
)
def test_the_mean_drift_of_samples_of_the_data_distribution_is_zero(
    field: DriftingField, sizes: tuple[int, int, int]
) -> None:
    samples, positives, size = sizes
    x, y = points(4000, samples, size), points(4000, positives, size, seed=1)
    velocity = field(x, y).velocity
    assert mean_over_rms(velocity) <= 0.03
    assert ((velocity * x).sum() / x.square().sum()).abs() <= 0.05
    assert mean_over_rms(field(x, y + 1.0).velocity) >= 0.15


@both_fields
@pytest.mark.parametrize("factor", [0.1, 0.5, 7.0, 100.0])
def test_the_velocity_is_independent_of_the_unit(field: DriftingField, factor: float) -> None:
    x, y = points(5, 4, 12), points(5, 1, 12, seed=1)
    velocity, rescaled = field(x, y).velocity, field(factor * x, factor * y).velocity
    assert (velocity - rescaled).norm() / velocity.norm() <= 1e-4


@both_fields
def test_a_clamped_scale_changes_the_velocity_of_coinciding_points(field: DriftingField) -> None:
    x, y = points(5, 4, 12), points(5, 1, 12, seed=1)
    velocity, clamped = field(x, y).velocity, field(2e-4 * x, 2e-4 * y)
    assert clamped.scale.min() >= 1e-3 / math.sqrt(12)
    assert 0.005 <= (velocity - clamped.velocity).norm() / velocity.norm() <= 0.2


@both_fields
def test_the_velocity_is_equivariant_to_rotation_translation_and_permutation(
    field: DriftingField,
) -> None:
    x, y = points(5, 4, 12), points(5, 3, 12, seed=1)
    rotation = torch.linalg.qr(points(12, 12, seed=2))[0]
    order = torch.tensor([2, 0, 3, 1])
    velocity = field(x, y).velocity
    assert (field(x @ rotation, y @ rotation).velocity - velocity @ rotation).abs().max() <= 1e-12
    assert (field(x + 3.0, y + 3.0).velocity - velocity).abs().max() <= 1e-12
    assert (field(x[:, order], y).velocity - velocity[:, order]).abs().max() <= 1e-12
    assert (field(x, y[:, [1, 2, 0]]).velocity - velocity).abs().max() <= 1e-12


def dot_product_distances(queries: Tensor, targets: Tensor) -> Tensor:
    """Return distances as in the released code."""
    squares = queries.square().sum(-1)[:, :, None] + targets.square().sum(-1)[:, None]
    return (squares - 2 * queries @ targets.transpose(1, 2)).clamp_min(1e-8).sqrt()


def released_drifting(x: Tensor, y: Tensor) -> Drift:
    """Return the published field on dot-product distances."""
    targets = torch.cat([x, y], dim=1)
    separations = dot_product_distances(x, targets)
    mean = separations.mean()
    unit = mean / x.shape[2] ** 0.5
    force = forces(
        x / unit,
        targets / unit,
        separations / mean + 100 * torch.eye(x.shape[1], targets.shape[1], dtype=x.dtype),
        negatives=x.shape[1],
        temperatures=PUBLISHED_TEMPERATURES,
        floor=1e-6,
    )
    return Drift(sum_of_unit_forces(force)[0], unit, unit)


def error_in_single_precision(field: DriftingField, x: Tensor, y: Tensor) -> float:
    exact = field(x.float().double(), y.float().double()).velocity
    return float((field(x.float(), y.float()).velocity - exact).norm() / exact.norm())


@both_fields
def test_single_precision_is_accurate_with_an_offset(field: DriftingField) -> None:
    x, y = points(5, 4, 12) + 100, points(5, 1, 12, seed=1) + 100
    assert error_in_single_precision(field, x, y) <= 1e-5
    assert error_in_single_precision(released_drifting, x, y) >= 1e-4


@both_fields
def test_single_precision_is_accurate_near_a_collapse(field: DriftingField) -> None:
    x, y = 0.5 + 1e-3 * points(5, 4, 320), 0.5 + 1e-3 * points(5, 1, 320, seed=1)
    assert error_in_single_precision(field, x, y) <= 1e-3
    assert error_in_single_precision(released_drifting, x, y) >= 1e-2


def test_the_force_of_one_positive_agrees_with_its_formula() -> None:
    x, y = points(1, 4, 12), points(1, 1, 12, seed=1)
    targets = torch.cat([x, y], dim=1)
    separations = distances(x, targets) + 100 * torch.eye(4, 5, dtype=x.dtype)
    force = forces(x, targets, separations, negatives=4, temperatures=(0.7,))[0, 0]
    row, column = (-separations[0] / 0.7).softmax(1), (-separations[0] / 0.7).softmax(0)
    a = (row * column).sqrt()
    for i in range(4):
        expected = a[i, 4] * sum(a[i, j] * (y[0, 0] - x[0, j]) for j in range(4))
        assert (force[i] - expected).abs().max() <= 1e-12


def test_one_sample_moves_to_the_positive_with_the_floor_and_not_without_it() -> None:
    x, y = points(1, 1, 12), points(1, 1, 12, seed=1)
    drift = drifting(x, y)
    cosine = torch.cosine_similarity(drift.velocity[0, 0], (y - x)[0, 0], dim=0)
    assert cosine >= 0.99999
    assert scaled_loss(x, drift).item() == pytest.approx(9.0, abs=1e-4)
    assert drifting(x, y, floor=0.0).velocity.abs().max() <= 1e-12


def test_conditional_field_refuses_one_sample() -> None:
    with pytest.raises(ValueError, match="at least 2 generated samples, got 1"):
        conditional_drifting(points(1, 1, 12), points(1, 1, 12))


@both_fields
def test_the_loss_is_always_between_three_and_nine(field: DriftingField) -> None:
    for seed in range(200):
        x, y = points(4, 4, 12, seed=seed), points(4, 1, 12, seed=seed + 1000)
        assert 3.0 <= sum_of_squares(field(x, y)) <= 9.001


def sum_of_squares(drift: Drift) -> float:
    """Return the value of the loss: it depends on the velocity alone."""
    samples = torch.zeros_like(drift.velocity)
    return scaled_loss(samples, drift).mean().item()


@both_fields
def test_the_gradient_of_the_samples_is_the_velocity_and_that_of_the_data_is_none(
    field: DriftingField,
) -> None:
    x, y, n, w = (
        points(*shape, seed=seed).abs().requires_grad_()
        for seed, shape in enumerate([(3, 4, 12), (3, 2, 12), (3, 2, 12), (3, 2)])
    )
    drift = field(x, y, negatives=n, positive_weights=w)
    loss = scaled_loss(x, drift).mean()
    gradient, *others = torch.autograd.grad(loss, [x, y, n, w], allow_unused=True)
    assert (gradient + 2 * drift.velocity / (3 * 4 * 12 * drift.scale)).abs().max() <= 1e-10
    assert others == [None, None, None]
    assert not drift.scale.requires_grad


def test_the_direction_of_a_conditional_drift_is_independent_of_other_observations() -> None:
    x, y = points(2, 4, 12), points(2, 1, 12, seed=1)
    far = torch.tensor([1.0, 10.0], dtype=x.dtype)[:, None, None]

    def directions(field: DriftingField, factor: Tensor | float) -> Tensor:
        velocity = field(factor * x, factor * y, temperatures=(0.3,)).velocity
        return velocity / torch.linalg.vector_norm(velocity, dim=(1, 2), keepdim=True)

    assert (
        directions(conditional_drifting, far) - directions(conditional_drifting, 1.0)
    ).abs().max() <= 1e-12
    assert (directions(drifting, far) - directions(drifting, 1.0)).abs().max() >= 0.01


def test_the_conditional_drift_is_proportional_to_the_distances_of_its_observation() -> None:
    x, y = points(1, 4, 12), points(1, 1, 12, seed=1)
    drift = conditional_drifting(torch.cat([x, 10 * x]), torch.cat([y, 10 * y]))
    assert (drift.velocity[1] - 10 * drift.velocity[0]).abs().max() <= 1e-12
    units = [conditional_drifting(factor * x, factor * y).scale for factor in (1, 10)]
    assert drift.scale.item() == pytest.approx(torch.cat(units).square().mean().sqrt().item())


def drift_with_and_without_a_positive(field: DriftingField) -> tuple[Tensor, Tensor]:
    x, y = points(2, 4, 12), points(2, 3, 12, seed=1)
    weights = torch.tensor([[1.0, 0.0, 1.0]] * 2, dtype=x.dtype)
    excluded = field(x, y, positive_weights=weights).velocity
    return excluded, field(x, y[:, [0, 2]]).velocity


def test_a_positive_of_weight_zero_is_excluded_from_the_conditional_field() -> None:
    excluded, absent = drift_with_and_without_a_positive(conditional_drifting)
    assert (excluded - absent).abs().max() <= 1e-12


def test_published_field_includes_a_positive_of_weight_zero_in_its_softmaxes() -> None:
    excluded, absent = drift_with_and_without_a_positive(drifting)
    assert (excluded - absent).norm() / absent.norm() >= 0.01
