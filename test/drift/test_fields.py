"""The drifting fields against analysis and against a reference written as loops."""

import math

import pytest
import torch
from torch import Tensor

from dbp_ros.drift.fields import (
    AUTHORS_TEMPERATURES,
    Drift,
    conditional_drifting,
    distances,
    drifting,
    energy_drifting,
    energy_score,
    forces,
)
from dbp_ros.drift.losses import scaled_loss


def points(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return standard normal points."""
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=chance, dtype=torch.float64).to(dtype)


def naive_drifting(x: Tensor, y: Tensor, scale: float | None = None) -> Tensor:
    """Return the published field, step by step, one number at a time."""
    batch, samples, size = x.shape
    targets = [[*x[b], *y[b]] for b in range(batch)]
    apart = [
        [[math.sqrt(max(float((p - t).square().sum()), 1e-8)) for t in targets[b]] for p in x[b]]
        for b in range(batch)
    ]
    flat = [d for rows in apart for row in rows for d in row]
    s = sum(flat) / len(flat) if scale is None else scale
    c = max(s / math.sqrt(size), 1e-3)
    total = torch.zeros_like(x)
    for tau in AUTHORS_TEMPERATURES:
        force = torch.zeros_like(x)
        for b in range(batch):
            count = len(targets[b])
            scaled = [
                [apart[b][i][j] / max(s, 1e-3) + (100 if i == j else 0) for j in range(count)]
                for i in range(samples)
            ]
            e = [[math.exp(-d / tau) for d in row] for row in scaled]
            rows = [sum(row) for row in e]
            columns = [sum(e[i][j] for i in range(samples)) for j in range(count)]
            a = [
                [
                    math.sqrt(
                        max(
                            (e[i][j] / rows[i]) * (e[i][j] / columns[j] if columns[j] else 0),
                            1e-6,
                        )
                    )
                    for j in range(count)
                ]
                for i in range(samples)
            ]
            for i in range(samples):
                repelling, attracting = sum(a[i][:samples]), sum(a[i][samples:])
                for j in range(count):
                    sign = -attracting if j < samples else repelling
                    force[b, i] += sign * a[i][j] * targets[b][j] / c
        total += force / math.sqrt(max(float(force.square().mean()), 1e-8))
    return total


def external_force(queries: Tensor, negatives: Tensor, positives: Tensor) -> Tensor:
    targets = torch.cat([negatives, positives], dim=1)
    return forces(
        queries,
        targets,
        distances(queries, targets) / 3.0,
        negatives=negatives.shape[1],
        temperatures=AUTHORS_TEMPERATURES,
    )


def test_published_field_agrees_with_the_loops() -> None:
    x, y = points(3, 4, 12), points(3, 1, 12, seed=1) + 0.5
    expected = naive_drifting(x, y)
    assert (drifting(x, y).velocity - expected).norm() / expected.norm() <= 1e-10
    single = drifting(x.float(), y.float()).velocity
    assert (single.double() - expected).norm() / expected.norm() <= 1e-5


def test_published_field_agrees_with_the_loops_for_several_positives_and_fixed_scale() -> None:
    x, y = points(2, 5, 6), points(2, 3, 6, seed=1)
    expected = naive_drifting(x, y, scale=2.0)
    assert (drifting(x, y, scale=2.0).velocity - expected).abs().max() <= 1e-10


@pytest.mark.parametrize("sizes", [(4, 4), (3, 5)])
def test_swapping_negatives_and_positives_turns_the_force_round(sizes: tuple[int, int]) -> None:
    queries, a, b = (
        points(2, 6, 12),
        points(2, sizes[0], 12, seed=1),
        points(2, sizes[1], 12, seed=2),
    )
    assert (external_force(queries, a, b) + external_force(queries, b, a)).abs().max() <= 1e-12


def test_equal_negatives_and_positives_give_no_force() -> None:
    queries, a = points(2, 6, 12), points(2, 4, 12, seed=1)
    assert external_force(queries, a, a).abs().max() <= 1e-12


@pytest.mark.parametrize(("samples", "size"), [(8, 2), (4, 12)])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_samples_of_the_right_law_do_not_drift_on_average(
    samples: int, size: int, shift: float
) -> None:
    x, y = points(4000, samples, size), points(4000, 1, size, seed=1) + shift
    velocity = drifting(x, y, scale=math.sqrt(2 * size)).velocity
    mean = velocity.mean((0, 1)).square().mean().sqrt() / velocity.square().mean().sqrt()
    radial = ((velocity * x).sum() / x.square().sum()).abs()
    assert mean <= 0.03 if shift == 0 else mean >= 0.15
    assert shift or radial <= 0.05


@pytest.mark.parametrize("field", [drifting, conditional_drifting])
@pytest.mark.parametrize("factor", [0.1, 0.5, 7.0, 100.0])
def test_velocity_does_not_depend_on_the_unit(field, factor: float) -> None:  # type: ignore[no-untyped-def]
    x, y = points(5, 4, 12), points(5, 1, 12, seed=1)
    here, there = field(x, y).velocity, field(factor * x, factor * y).velocity
    assert (here - there).norm() / here.norm() <= 1e-4


@pytest.mark.parametrize("field", [drifting, conditional_drifting, energy_drifting])
def test_velocity_turns_and_moves_with_the_points(field) -> None:  # type: ignore[no-untyped-def]
    x, y = points(5, 4, 12), points(5, 1, 12, seed=1)
    turn = torch.linalg.qr(points(12, 12, seed=2))[0]
    order = torch.tensor([2, 0, 3, 1])
    velocity = field(x, y).velocity
    assert (field(x @ turn, y @ turn).velocity - velocity @ turn).abs().max() <= 1e-12
    assert (field(x + 3.0, y + 3.0).velocity - velocity).abs().max() <= 1e-12
    assert (field(x[:, order], y).velocity - velocity[:, order]).abs().max() <= 1e-12


@pytest.mark.parametrize("field", [drifting, conditional_drifting])
def test_single_precision_survives_an_offset_and_a_near_collapse(field) -> None:  # type: ignore[no-untyped-def]
    x, y = points(5, 4, 12, dtype=torch.float32), points(5, 1, 12, seed=1, dtype=torch.float32)
    exact = field(x.double() + 100, y.double() + 100).velocity
    offset = (x + 100, y + 100)
    exact = field(offset[0].double(), offset[1].double()).velocity
    assert (field(*offset).velocity - exact).norm() / exact.norm() <= 1e-5
    narrow = (
        (0.5 + 1e-3 * points(5, 4, 320)).float(),
        (0.5 + 1e-3 * points(5, 1, 320, seed=1)).float(),
    )
    exact = field(narrow[0].double(), narrow[1].double()).velocity
    assert (field(*narrow).velocity - exact).norm() / exact.norm() <= 1e-3


def test_one_positive_pulls_every_sample_along_the_same_differences() -> None:
    x, y = points(1, 4, 12), points(1, 1, 12, seed=1)
    targets = torch.cat([x, y], dim=1)
    apart = distances(x, targets) + 100 * torch.eye(4, 5, dtype=x.dtype)
    force = forces(x, targets, apart, negatives=4, temperatures=(0.7,))[0, 0]
    row, column = (-apart[0] / 0.7).softmax(1), (-apart[0] / 0.7).softmax(0)
    a = (row * column).sqrt()
    for i in range(4):
        expected = a[i, 4] * sum(a[i, j] * (y[0, 0] - x[0, j]) for j in range(4))
        assert (force[i] - expected).abs().max() <= 1e-12


def test_one_sample_is_regression_with_the_floor_and_still_without_it() -> None:
    x, y = points(1, 1, 12), points(1, 1, 12, seed=1)
    drift = drifting(x, y)
    cosine = torch.cosine_similarity(drift.velocity[0, 0], (y - x)[0, 0], dim=0)
    assert cosine >= 0.99999
    assert scaled_loss(x, drift).item() == pytest.approx(9.0, abs=1e-3)
    assert drifting(x, y, floor=0.0).velocity.abs().max() <= 1e-12


def test_one_sample_is_refused_by_the_conditional_field() -> None:
    with pytest.raises(ValueError, match="at least 2 generated samples, got 1"):
        conditional_drifting(points(1, 1, 12), points(1, 1, 12))


def test_published_loss_stays_between_three_and_nine() -> None:
    for seed in range(200):
        x, y = points(4, 4, 12, seed=seed), points(4, 1, 12, seed=seed + 1000)
        assert 3.0 <= scaled_loss(x, drifting(x, y)).mean().item() <= 9.001


@pytest.mark.parametrize("field", [drifting, conditional_drifting])
def test_gradient_is_the_velocity_and_reaches_only_the_samples(field) -> None:  # type: ignore[no-untyped-def]
    x, y = points(3, 4, 12).requires_grad_(), points(3, 1, 12, seed=1).requires_grad_()
    drift: Drift = field(x, y)
    (gradient,) = torch.autograd.grad(scaled_loss(x, drift).mean(), x)
    expected = -2 * drift.velocity / (3 * 4 * 12 * drift.scale)
    assert (gradient - expected).abs().max() <= 1e-10
    assert not drift.velocity.requires_grad
    assert not drift.scale.requires_grad


def test_an_observation_of_the_conditional_field_keeps_its_own_scale() -> None:
    x, y = points(2, 4, 12), points(2, 1, 12, seed=1)
    x[1], y[1] = 10 * x[1], 10 * y[1]
    alone = conditional_drifting(x[:1], y[:1])
    assert conditional_drifting(x, y).scale[0] == pytest.approx(alone.scale[0])
    assert drifting(x, y).scale.numel() == 1


def test_a_positive_of_weight_zero_is_left_out_of_the_conditional_field() -> None:
    x, y = points(2, 4, 12), points(2, 3, 12, seed=1)
    weights = torch.tensor([[1.0, 0.0, 1.0]] * 2, dtype=x.dtype)
    with_zero = conditional_drifting(x, y, positive_weights=weights).velocity
    assert (with_zero - conditional_drifting(x, y[:, [0, 2]]).velocity).abs().max() <= 1e-12


def test_energy_field_is_the_downhill_direction_of_the_energy_score() -> None:
    x, y = points(2, 4, 6).requires_grad_(), points(2, 1, 6, seed=1)
    (gradient,) = torch.autograd.grad(energy_score_of_apart(x, y), x)
    velocity = energy_drifting(x.detach(), y).velocity
    assert (velocity / math.sqrt(6) + 4 * gradient).abs().max() <= 1e-12


def energy_score_of_apart(x: Tensor, y: Tensor) -> Tensor:
    """Return the score's sum by loops that never divide by a distance of zero."""
    total = x.new_zeros(())
    for b in range(len(x)):
        for i in range(x.shape[1]):
            total = total + (x[b, i] - y[b, 0]).norm() / x.shape[1]
            for j in range(x.shape[1]):
                if i != j:
                    total = total - (x[b, i] - x[b, j]).norm() / (2 * x.shape[1] * (x.shape[1] - 1))
    return total


def test_energy_score_agrees_with_the_loops() -> None:
    x, y = points(2, 4, 6), points(2, 1, 6, seed=1)
    assert energy_score(x, y).sum().item() == pytest.approx(energy_score_of_apart(x, y).item())


def test_energy_score_prefers_the_law_of_the_data() -> None:
    y = points(4000, 1, 3, seed=1)
    right = energy_score(points(4000, 8, 3), y).mean()
    assert right < energy_score(0.5 * points(4000, 8, 3), y).mean()
    assert right < energy_score(2.0 * points(4000, 8, 3), y).mean()
    assert right < energy_score(points(4000, 8, 3) + 0.5, y).mean()
