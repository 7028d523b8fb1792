"""The drifting fields and their loss against analysis."""

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
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=chance, dtype=torch.float64).to(dtype)


def force_between(queries: Tensor, negatives: Tensor, positives: Tensor) -> Tensor:
    """Return the force of two sets on points that belong to neither."""
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
def test_swapping_negatives_and_positives_turns_the_force_round(
    sizes: tuple[int, int], dtype: torch.dtype, tolerance: float
) -> None:
    queries = points(2, 6, 12, dtype=dtype)
    a, b = (
        points(2, sizes[0], 12, seed=1, dtype=dtype),
        points(2, sizes[1], 12, seed=2, dtype=dtype),
    )
    there, back = force_between(queries, a, b), force_between(queries, b, a)
    assert (there + back).abs().max() <= tolerance
    assert there.abs().max() >= 0.01


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
    # Of two samples, the conditional scale favours one distance: a radial drift of 0.08.
    + [(conditional_drifting, sizes) for sizes in SIZES if sizes[0] > 2],
)
def test_samples_of_the_right_law_do_not_drift_on_average(
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
def test_velocity_does_not_depend_on_the_unit(field: DriftingField, factor: float) -> None:
    x, y = points(5, 4, 12), points(5, 1, 12, seed=1)
    here, there = field(x, y).velocity, field(factor * x, factor * y).velocity
    assert (here - there).norm() / here.norm() <= 1e-4


@both_fields
def test_clamped_scale_bends_the_velocity_of_points_that_coincide(field: DriftingField) -> None:
    x, y = points(5, 4, 12), points(5, 1, 12, seed=1)
    here, clamped = field(x, y).velocity, field(2e-4 * x, 2e-4 * y)
    assert clamped.scale.min() >= 1e-3 / math.sqrt(12)
    assert 0.005 <= (here - clamped.velocity).norm() / here.norm() <= 0.2


@both_fields
def test_velocity_turns_and_moves_with_the_points(field: DriftingField) -> None:
    x, y = points(5, 4, 12), points(5, 3, 12, seed=1)
    turn = torch.linalg.qr(points(12, 12, seed=2))[0]
    order = torch.tensor([2, 0, 3, 1])
    velocity = field(x, y).velocity
    assert (field(x @ turn, y @ turn).velocity - velocity @ turn).abs().max() <= 1e-12
    assert (field(x + 3.0, y + 3.0).velocity - velocity).abs().max() <= 1e-12
    assert (field(x[:, order], y).velocity - velocity[:, order]).abs().max() <= 1e-12
    assert (field(x, y[:, [1, 2, 0]]).velocity - velocity).abs().max() <= 1e-12


def dot_product_distances(queries: Tensor, targets: Tensor) -> Tensor:
    """Return distances the way the released code computes them."""
    squares = queries.square().sum(-1)[:, :, None] + targets.square().sum(-1)[:, None]
    return (squares - 2 * queries @ targets.transpose(1, 2)).clamp_min(1e-8).sqrt()


def released_drifting(x: Tensor, y: Tensor) -> Drift:
    """Return the published field on dot-product distances."""
    targets = torch.cat([x, y], dim=1)
    away = dot_product_distances(x, targets)
    mean = away.mean()
    unit = mean / x.shape[2] ** 0.5
    force = forces(
        x / unit,
        targets / unit,
        away / mean + 100 * torch.eye(x.shape[1], targets.shape[1], dtype=x.dtype),
        negatives=x.shape[1],
        temperatures=PUBLISHED_TEMPERATURES,
        floor=1e-6,
    )
    return Drift(sum_of_unit_forces(force)[0], unit, unit)


def error_in_single_precision(field: DriftingField, x: Tensor, y: Tensor) -> float:
    exact = field(x.float().double(), y.float().double()).velocity
    return float((field(x.float(), y.float()).velocity - exact).norm() / exact.norm())


@both_fields
def test_single_precision_survives_an_offset(field: DriftingField) -> None:
    x, y = points(5, 4, 12) + 100, points(5, 1, 12, seed=1) + 100
    assert error_in_single_precision(field, x, y) <= 1e-5
    assert error_in_single_precision(released_drifting, x, y) >= 1e-4


@both_fields
def test_single_precision_survives_a_near_collapse(field: DriftingField) -> None:
    x, y = 0.5 + 1e-3 * points(5, 4, 320), 0.5 + 1e-3 * points(5, 1, 320, seed=1)
    assert error_in_single_precision(field, x, y) <= 1e-3
    assert error_in_single_precision(released_drifting, x, y) >= 1e-2


def test_one_positive_pulls_every_sample_along_the_same_differences() -> None:
    x, y = points(1, 4, 12), points(1, 1, 12, seed=1)
    targets = torch.cat([x, y], dim=1)
    away = distances(x, targets) + 100 * torch.eye(4, 5, dtype=x.dtype)
    force = forces(x, targets, away, negatives=4, temperatures=(0.7,))[0, 0]
    row, column = (-away[0] / 0.7).softmax(1), (-away[0] / 0.7).softmax(0)
    a = (row * column).sqrt()
    for i in range(4):
        expected = a[i, 4] * sum(a[i, j] * (y[0, 0] - x[0, j]) for j in range(4))
        assert (force[i] - expected).abs().max() <= 1e-12


def test_one_sample_is_regression_with_the_floor_and_still_without_it() -> None:
    x, y = points(1, 1, 12), points(1, 1, 12, seed=1)
    drift = drifting(x, y)
    cosine = torch.cosine_similarity(drift.velocity[0, 0], (y - x)[0, 0], dim=0)
    assert cosine >= 0.99999
    assert scaled_loss(x, drift).item() == pytest.approx(9.0, abs=1e-4)
    assert drifting(x, y, floor=0.0).velocity.abs().max() <= 1e-12


def test_one_sample_is_refused_by_the_conditional_field() -> None:
    with pytest.raises(ValueError, match="at least 2 generated samples, got 1"):
        conditional_drifting(points(1, 1, 12), points(1, 1, 12))


@both_fields
def test_loss_stays_between_three_and_nine_and_tells_nothing(field: DriftingField) -> None:
    for seed in range(200):
        x, y = points(4, 4, 12, seed=seed), points(4, 1, 12, seed=seed + 1000)
        assert 3.0 <= sum_of_squares(field(x, y)) <= 9.001


def sum_of_squares(drift: Drift) -> float:
    """Return the value of the loss: it depends on the velocity alone."""
    anywhere = torch.zeros_like(drift.velocity)
    return scaled_loss(anywhere, drift).mean().item()


@both_fields
def test_gradient_is_the_velocity_and_reaches_only_the_samples(field: DriftingField) -> None:
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


def test_an_observation_drifts_the_same_way_whatever_the_distances_of_others() -> None:
    x, y = points(2, 4, 12), points(2, 1, 12, seed=1)
    far = torch.tensor([1.0, 10.0], dtype=x.dtype)[:, None, None]

    def ways(field: DriftingField, factor: Tensor | float) -> Tensor:
        velocity = field(factor * x, factor * y, temperatures=(0.3,)).velocity
        return velocity / torch.linalg.vector_norm(velocity, dim=(1, 2), keepdim=True)

    assert (ways(conditional_drifting, far) - ways(conditional_drifting, 1.0)).abs().max() <= 1e-12
    assert (ways(drifting, far) - ways(drifting, 1.0)).abs().max() >= 0.01


def test_a_wide_choice_drifts_farther_than_a_narrow_one_in_units_of_the_batch() -> None:
    x, y = points(1, 4, 12), points(1, 1, 12, seed=1)
    drift = conditional_drifting(torch.cat([x, 10 * x]), torch.cat([y, 10 * y]))
    assert (drift.velocity[1] - 10 * drift.velocity[0]).abs().max() <= 1e-12
    units = [conditional_drifting(factor * x, factor * y).scale for factor in (1, 10)]
    assert drift.scale.item() == pytest.approx(torch.cat(units).square().mean().sqrt().item())


def drift_with_and_without_a_positive(field: DriftingField) -> tuple[Tensor, Tensor]:
    x, y = points(2, 4, 12), points(2, 3, 12, seed=1)
    weights = torch.tensor([[1.0, 0.0, 1.0]] * 2, dtype=x.dtype)
    left_out = field(x, y, positive_weights=weights).velocity
    return left_out, field(x, y[:, [0, 2]]).velocity


def test_a_positive_of_weight_zero_is_left_out_of_the_conditional_field() -> None:
    left_out, absent = drift_with_and_without_a_positive(conditional_drifting)
    assert (left_out - absent).abs().max() <= 1e-12


def test_a_positive_of_weight_zero_stays_in_the_softmaxes_of_the_published_field() -> None:
    left_out, absent = drift_with_and_without_a_positive(drifting)
    assert (left_out - absent).norm() / absent.norm() >= 0.01
