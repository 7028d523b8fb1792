"""The drifting fields against a reference implementation with loops."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from dbp_ros.drift.fields import (
    PUBLISHED_TEMPERATURES,
    WIDE_TEMPERATURES,
    conditional_drifting,
    drifting,
)


def points(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return standard normal points."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def distance(a: Tensor, b: Tensor) -> float:
    return math.sqrt(max(float((a - b).square().sum()), 1e-8))


def root_mean_square(values: Sequence[float]) -> float:
    return math.sqrt(sum(value**2 for value in values) / len(values))


def loops_force(
    x: Tensor,
    targets: Sequence[Tensor],
    w: Sequence[float],
    m: int,
    s: float,
    unit: float,
    tau: float,
    floor: float,
) -> Tensor:
    """Return the force on the samples of one observation, element by element.

    The first `m` targets repel and the samples are the first of them. The unit of the kernels is
    `s`, that of the force `unit`.
    """
    rows, columns = range(len(x)), range(len(targets))
    e = [
        [math.exp(-(distance(x[i], targets[j]) / s + 100 * (i == j)) / tau) for j in columns]
        for i in rows
    ]
    over_rows = [sum(e[i][j] for i in rows) for j in columns]
    force = torch.zeros_like(x)
    for i in rows:
        a = [
            w[j] * math.sqrt(max(e[i][j] / sum(e[i]) * (e[i][j] / (over_rows[j] or 1.0)), floor))
            for j in columns
        ]
        for j in columns:
            force[i] += a[j] * targets[j] * (-sum(a[m:]) if j < m else sum(a[:m]))
    return force / unit


def loops_field(
    x: Tensor,
    n: Tensor,
    y: Tensor,
    w: Tensor,
    scales: Sequence[float],
    temperatures: Sequence[float],
    floor: float,
) -> Tensor:
    """Return the sum over temperatures of forces with an RMS of one."""
    m, total = x.shape[1] + n.shape[1], torch.zeros_like(x)
    unit = root_mean_square(scales) / math.sqrt(x.shape[2])
    for tau in temperatures:
        force = torch.stack(
            [
                loops_force(
                    x[b],
                    [*x[b], *n[b], *y[b]],
                    [1.0] * m + w[b].tolist(),
                    m,
                    scales[b],
                    unit,
                    tau,
                    floor,
                )
                for b in range(len(x))
            ]
        )
        total += force / math.sqrt(max(float(force.square().mean()), 1e-8))
    return total


def loops_mean_distance(
    x: Tensor, n: Tensor, y: Tensor, w: Tensor, *, count_self: bool
) -> tuple[float, float]:
    """Return an observation's weighted sum of distances and sum of weights."""
    total = weight = 0.0
    for i in range(len(x)):
        for j, target in enumerate([*x, *n, *y]):
            if i != j or count_self:
                own = 1.0 if j < len(x) + len(n) else float(w[j - len(x) - len(n)])
                total, weight = total + own * distance(x[i], target), weight + own
    return total, weight


def random_batch(
    batch: int, positives: int, negatives: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return random samples, negatives, positives and weights."""
    x, y = points(batch, 4, 12), points(batch, positives, 12, seed=1) + 0.5
    n, w = points(batch, negatives, 12, seed=2), points(batch, positives, seed=3).abs() + 0.1
    return x, n, y, w


@pytest.mark.parametrize(("positives", "negatives"), [(1, 0), (3, 0), (3, 2)])
def test_published_field_matches_a_loop_implementation(positives: int, negatives: int) -> None:
    x, n, y, w = random_batch(3, positives, negatives)
    sums = [loops_mean_distance(*each, count_self=True) for each in zip(x, n, y, w, strict=True)]
    s = sum(total for total, _ in sums) / sum(weight for _, weight in sums)
    expected = loops_field(x, n, y, w, [s] * 3, PUBLISHED_TEMPERATURES, 1e-6)
    drift = drifting(x, y, negatives=n, positive_weights=w)
    assert (drift.velocity - expected).norm() / expected.norm() <= 1e-10
    single = drifting(x.float(), y.float(), negatives=n.float(), positive_weights=w.float())
    assert (single.velocity.double() - expected).norm() / expected.norm() <= 1e-5
    assert drift.scale.item() == pytest.approx(s / math.sqrt(12))


def test_published_field_matches_a_loop_implementation_at_a_fixed_scale() -> None:
    x, n, y, _ = random_batch(2, 3, 0)
    expected = loops_field(x, n, y, torch.ones(2, 3), [2.0] * 2, PUBLISHED_TEMPERATURES, 1e-6)
    assert (drifting(x, y, scale=2.0).velocity - expected).abs().max() <= 1e-10


@pytest.mark.parametrize(("positives", "negatives"), [(1, 0), (3, 0), (3, 2)])
def test_conditional_field_matches_a_loop_implementation(positives: int, negatives: int) -> None:
    x, n, y, w = random_batch(3, positives, negatives)
    sums = [loops_mean_distance(*each, count_self=False) for each in zip(x, n, y, w, strict=True)]
    scales = [total / weight for total, weight in sums]
    expected = loops_field(x, n, y, w, scales, WIDE_TEMPERATURES, 0.0)
    drift = conditional_drifting(x, y, negatives=n, positive_weights=w)
    assert (drift.velocity - expected).norm() / expected.norm() <= 1e-10
    single = conditional_drifting(
        x.float(), y.float(), negatives=n.float(), positive_weights=w.float()
    )
    assert (single.velocity.double() - expected).norm() / expected.norm() <= 1e-5
    assert drift.scale.item() == pytest.approx(root_mean_square(scales) / math.sqrt(12))
