"""Transport plans and their drifting fields, against analysis."""

import pytest
import torch
from torch import Tensor

from dbp_ros.drift.fields import Drift
from dbp_ros.drift.sinkhorn import (
    barycentric_map,
    joint_sinkhorn_drifting,
    log_transport_plan,
    sinkhorn_drifting,
)


def points(*shape: int, seed: int = 0) -> Tensor:
    """Return standard normal points."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cost_between(x: Tensor, y: Tensor) -> Tensor:
    """Return half the squared distances."""
    return 0.5 * (x[:, :, None] - y[:, None]).square().sum(-1)


def scaled_cost(batch: int, count: int, size: int) -> Tensor:
    """Return a cost between random points whose mean squared distance is one."""
    cost = cost_between(points(batch, count, size), points(batch, count, size, seed=1))
    return 0.5 * cost / cost.mean((1, 2), keepdim=True)


def unnormalised(drift: Drift) -> Tensor:
    """Return the velocity without normalisation, in the unit of the points."""
    return drift.velocity * drift.force_rms * drift.scale


def radial(drift: Drift, x: Tensor) -> float:
    return float((unnormalised(drift) * x).sum() / x.square().sum())


@pytest.mark.parametrize(
    ("epsilon", "early", "late"), [(0.05, 0.29, 1e-5), (0.2, 2e-3, 1e-12), (1.0, 5e-10, 1e-12)]
)
def test_column_marginals_are_exact_and_row_marginals_converge(
    epsilon: float, early: float, late: float
) -> None:
    cost = scaled_cost(8, 32, 2)
    for iterations, tolerance in ((10, early), (100, late)):
        plan = log_transport_plan(cost, epsilon, iterations).exp()
        assert (32 * plan.sum(1) - 1).abs().max() <= 1e-12
        assert (32 * plan.sum(2) - 1).abs().max() <= tolerance


def test_column_marginals_are_the_weights() -> None:
    weights = points(8, 16, seed=2).abs()
    plan = log_transport_plan(scaled_cost(8, 16, 2), 0.2, 100, weights).exp()
    assert (plan.sum(1) - weights / weights.sum(1, keepdim=True)).abs().max() <= 1e-12


@pytest.mark.parametrize("iterations", [1, 10])
def test_a_column_of_weight_zero_has_no_effect(iterations: int) -> None:
    cost, targets, weights = scaled_cost(3, 6, 2), points(3, 6, 2), torch.ones(3, 6)
    weights[:, 2] = 0.0
    cost[:, :, 2] = 0.0
    others = [0, 1, 3, 4, 5]
    first = barycentric_map(targets, cost, 0.001, iterations, weights.double())
    other = barycentric_map(targets[:, others], cost[:, :, others], 0.001, iterations)
    assert (first - other).abs().max() <= 1e-12


@pytest.mark.parametrize(("epsilon", "iterations"), [(0.0, 10), (-1.0, 10), (0.05, 0)])
def test_a_plan_with_invalid_epsilon_or_iterations_is_refused(
    epsilon: float, iterations: int
) -> None:
    with pytest.raises(ValueError, match=f"got {epsilon} and {iterations}: use 0.05 and 10"):
        log_transport_plan(torch.zeros(1, 2, 2), epsilon, iterations)


def test_a_large_regulariser_maps_all_rows_to_the_mean() -> None:
    targets = points(8, 16, 2, seed=1)
    mapped = barycentric_map(targets, scaled_cost(8, 16, 2), 1e4, 10)
    assert (mapped - targets.mean(1, keepdim=True)).abs().max() <= 1e-3


def test_a_small_regulariser_gives_the_permutation() -> None:
    x = points(8, 16, 2)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    y = x[:, order] + 1e-3 * points(8, 16, 2, seed=2)
    plan = log_transport_plan(cost_between(x, y), 5e-5, 100).exp()
    expected = torch.zeros(16, 16, dtype=x.dtype)
    expected[order, torch.arange(16)] = 1.0
    assert (16 * plan - expected).abs().max() <= 1e-6


def test_the_map_of_distant_samples_is_finite_in_single_precision() -> None:
    x, y = points(2, 8, 4).float(), points(2, 8, 4, seed=1).float()
    x[0, 0] = 1000.0
    mapped = barycentric_map(y, cost_between(x, y), 0.01, 10)
    assert mapped.isfinite().all()
    assert mapped.abs().max() <= y.abs().max() + 1e-5


def test_the_drift_is_zero_if_positives_and_second_batch_are_equal() -> None:
    x, second = points(3, 6, 4), points(3, 5, 4, seed=1)
    drift = sinkhorn_drifting(x, second[:, [3, 1, 4, 0, 2]], second)
    assert unnormalised(drift).abs().max() <= 1e-12
    assert drift.velocity.abs().max() <= 1e-9


def test_every_sample_is_mapped_to_a_single_positive() -> None:
    x, y = points(3, 6, 4), points(3, 1, 4, seed=1)
    assert torch.equal(barycentric_map(y, cost_between(x, y), 0.05, 1), y.expand(3, 6, 4))


@pytest.mark.parametrize(("samples", "size", "same_batch"), [(32, 2, -0.12), (8, 16, -0.75)])
def test_a_second_batch_removes_the_bias(samples: int, size: int, same_batch: float) -> None:
    x, y, second = (points(1000, samples, size, seed=seed) for seed in range(3))
    assert abs(radial(sinkhorn_drifting(x, y, second), x)) <= 0.01
    assert radial(sinkhorn_drifting(x, y, x), x) == pytest.approx(same_batch, abs=0.02)


@pytest.mark.parametrize("own_scale", [False, True])
def test_the_velocity_is_equivariant_to_rotation_and_independent_of_unit_and_offset(
    own_scale: bool,
) -> None:
    x, y, second = points(3, 6, 4), points(3, 5, 4, seed=1), points(3, 7, 4, seed=2)
    rotation = torch.linalg.qr(points(4, 4, seed=3))[0]
    first = sinkhorn_drifting(x, y, second, own_scale=own_scale)
    moved = (7.0 * each @ rotation + 3.0 for each in (x, y, second))
    other = sinkhorn_drifting(*moved, own_scale=own_scale)
    assert (other.velocity - first.velocity @ rotation).abs().max() <= 1e-12
    assert (other.force_rms - first.force_rms).abs().max() <= 1e-12
    assert (other.scale - 7.0 * first.scale).abs().max() <= 1e-12


def transport_value(x: Tensor, y: Tensor, epsilon: float) -> Tensor:
    """Return the regularised cost of the converged plan, summed over the batch."""
    cost = cost_between(x, y)
    plan = log_transport_plan(cost, epsilon, 2000).exp()
    independent = 1.0 / (cost.shape[1] * cost.shape[2])
    return (plan * cost + epsilon * plan * (plan / independent).log()).sum()


def test_the_converged_velocity_is_the_negative_gradient_of_the_divergence() -> None:
    x, y, second = (
        points(2, 6, 3).requires_grad_(),
        points(2, 5, 3, seed=1),
        points(2, 6, 3, seed=2),
    )
    drift = sinkhorn_drifting(x, y, second, epsilons=(0.2,), iterations=2000, own_scale=False)
    epsilon = 0.2 * float(drift.scale) ** 2 * 3
    value = transport_value(x, y, epsilon) - transport_value(x, second, epsilon)
    (gradient,) = torch.autograd.grad(value, x)
    assert (unnormalised(drift) + 6 * gradient).abs().max() <= 1e-8
    assert not drift.velocity.requires_grad


def test_own_scale_sets_a_regulariser_per_observation_and_one_unit_for_all() -> None:
    x, y, second = points(3, 6, 4), points(3, 5, 4, seed=1), points(3, 7, 4, seed=2)
    sizes = torch.tensor([0.1, 1.0, 10.0], dtype=x.dtype)[:, None, None]
    first, other = (
        sinkhorn_drifting(*(size * each for each in (x, y, second)))
        for size in (torch.ones_like(sizes), sizes)
    )
    assert (unnormalised(other) - sizes * unnormalised(first)).abs().max() <= 1e-12
    assert other.scale.shape == (1, 1, 1)
    batch = sinkhorn_drifting(sizes * x, sizes * y, sizes * second, own_scale=False)
    assert (unnormalised(batch) - sizes * unnormalised(first)).abs().max() >= 0.01


def test_every_regulariser_contributes_a_velocity_of_equal_rms() -> None:
    x, y, second = points(3, 6, 4), points(3, 5, 4, seed=1), points(3, 7, 4, seed=2)
    single = [sinkhorn_drifting(x, y, second, epsilons=(epsilon,)) for epsilon in (0.02, 0.2)]
    both = sinkhorn_drifting(x, y, second, epsilons=(0.02, 0.2))
    assert [d.velocity.square().mean().item() for d in single] == pytest.approx([1.0, 1.0])
    assert (both.velocity - single[0].velocity - single[1].velocity).abs().max() <= 1e-12
    assert both.force_rms.shape == (2,)


@pytest.mark.parametrize("own_scale", [False, True])
def test_a_positive_of_weight_zero_is_excluded(own_scale: bool) -> None:
    x, y, second = points(3, 6, 4), points(3, 5, 4, seed=1), points(3, 7, 4, seed=2)
    weights = torch.tensor([[1.0, 1.0, 0.0, 1.0, 0.0]] * 3, dtype=x.dtype)
    first = sinkhorn_drifting(x, y, second, positive_weights=weights, own_scale=own_scale)
    other = sinkhorn_drifting(x, y[:, [0, 1, 3]], second, own_scale=own_scale)
    assert (first.velocity - other.velocity).abs().max() <= 1e-12
    assert (first.scale - other.scale).abs().max() <= 1e-12


def test_joint_field_moves_each_sample_and_has_one_scale() -> None:
    generated, actions, second = points(5, 3, 4), points(5, 4, seed=1), points(5, 2, 4, seed=2)
    drift = joint_sinkhorn_drifting(generated, actions, second, points(5, 7, seed=3))
    assert drift.velocity.shape == (5, 3, 4)
    assert drift.scale.shape == (1, 1, 1)
    assert drift.force_rms.shape == (1,)


def test_the_joint_field_of_dissimilar_observations_maps_each_to_its_own_demonstration() -> None:
    generated, actions, second = points(5, 1, 4), points(5, 4, seed=1), points(5, 1, 4, seed=2)
    drift = joint_sinkhorn_drifting(
        generated, actions, second, points(5, 2, seed=3), observation_weight=1e4
    )
    assert (unnormalised(drift) - (actions[:, None] - second)).abs().max() <= 1e-9


def test_the_joint_field_of_equal_observations_is_a_single_transport() -> None:
    generated, actions, second = points(6, 1, 4), points(6, 4, seed=1), points(6, 1, 4, seed=2)
    joint = joint_sinkhorn_drifting(generated, actions, second, torch.ones(6, 2).double())
    pooled = sinkhorn_drifting(
        *(each.reshape(1, 6, 4) for each in (generated, actions, second)),
        epsilons=(0.02,),
        iterations=20,
    )
    assert (joint.velocity[:, 0] - pooled.velocity[0]).abs().max() <= 1e-12


def test_the_joint_field_is_independent_of_the_unit_of_features_by_default() -> None:
    generated, actions, second = points(20, 2, 4), points(20, 4, seed=1), points(20, 2, 4, seed=2)
    features = points(20, 3, seed=3)

    def velocity(factor: float, unit: float | None) -> Tensor:
        return joint_sinkhorn_drifting(
            generated, actions, second, factor * features, feature_unit=unit
        ).velocity

    assert (velocity(1.0, None) - velocity(50.0, None)).abs().max() <= 1e-12
    assert (velocity(1.0, 2.0) - velocity(50.0, 100.0)).abs().max() <= 1e-12
    assert (velocity(1.0, 1.0) - velocity(50.0, 1.0)).abs().max() >= 0.1


def test_samples_without_their_axis_are_refused_by_the_joint_field() -> None:
    with pytest.raises(ValueError, match=r"got \(5, 4\) and \(5, 4\): add an axis of samples"):
        joint_sinkhorn_drifting(points(5, 4), points(5, 4), points(5, 4), points(5, 2))
