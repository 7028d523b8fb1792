"""Drifting fields from entropic optimal transport.

Source: W-Flow, arXiv 2605.11755, the Wasserstein gradient flow of the Sinkhorn divergence
`OT(q, p) - OT(q, q) / 2 - OT(p, p) / 2` with the cost `|x - y|^2 / 2`. Its velocity is the
difference of two barycentric maps, `T_{q -> p}(x) - T_{q -> q'}(x)`; `q'` is a second,
independent batch of samples, which makes the repulsion unbiased. Notation and shapes as in
`fields`.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dbp_ros.drift.fields import SMALLEST_SCALE, Drift, sum_of_unit_forces

_MIN_LOGIT = -80.0
_NEIGHBOUR_RANK = 8


def barycentric_map(
    targets: Tensor,
    cost: Tensor,
    epsilon: float,
    iterations: int,
    column_weights: Tensor | None = None,
) -> Tensor:
    """Return the mean target of each row under the plan.

    Each row is normalised by its mass, in logarithms: a plan of few iterations has inexact rows,
    some of tiny mass.

    Args:
        targets: Shape (B, M, S).
        cost: From each row to each target. Shape (B, N, M).
        epsilon: See `log_transport_plan`.
        iterations: See `log_transport_plan`.
        column_weights: See `log_transport_plan`. Shape (B, M).

    Returns:
        Shape (B, N, S).

    Raises:
        ValueError: See `log_transport_plan`.
    """
    return log_transport_plan(cost, epsilon, iterations, column_weights).softmax(-1) @ targets


def log_transport_plan(
    cost: Tensor, epsilon: float, iterations: int, column_weights: Tensor | None = None
) -> Tensor:
    """Return the logarithm of the entropic plan between uniform rows and weighted columns.

    Log-domain Sinkhorn that ends on a column update: columns are exact, rows only as good as
    `iterations`.

    Args:
        cost: Shape (B, N, M).
        epsilon: Regulariser in the unit of `cost`; positive.
        iterations: Row and column updates; at least 1.
        column_weights: Non-negative, of any positive sum; equal if None. Shape (B, M).

    Returns:
        Logarithms of masses that sum to one over rows and columns. Shape (B, N, M).

    Raises:
        ValueError: If `epsilon` or `iterations` is too small.
    """
    if not epsilon > 0 or iterations < 1:
        raise ValueError(
            f"expected epsilon > 0 and iterations >= 1, got {epsilon} and {iterations}: "
            "use 0.05 and 10"
        )
    kernel = -cost / epsilon
    if column_weights is None:
        column_weights = torch.ones_like(cost[:, 0])
    log_marginal = (column_weights / column_weights.sum(1, keepdim=True)).log()[:, None]
    # Initialised with the marginal: a column without weight must not attract rows.
    columns = log_marginal
    for _ in range(iterations):
        rows = -math.log(cost.shape[1]) - _log_sum(kernel + columns, 2)
        columns = log_marginal - _log_sum(kernel + rows, 1)
    return rows + kernel + columns


def _log_sum(logits: Tensor, dim: int) -> Tensor:
    largest = logits.amax(dim, keepdim=True)
    # Smaller terms vanish in rounding, and their exponential is ten times slower.
    mass = (logits - largest).clamp_min(_MIN_LOGIT).exp().sum(dim, keepdim=True)
    return largest + mass.log()


@torch.no_grad()
def sinkhorn_drifting(
    generated: Tensor,
    positives: Tensor,
    second: Tensor,
    *,
    positive_weights: Tensor | None = None,
    epsilons: Sequence[float] = (0.05,),
    iterations: int = 10,
    own_scale: bool = True,
) -> Drift:
    """Return the field of the Sinkhorn divergence, one transport for each observation.

    It needs several positives. With one, the generator converges to the mean of the demonstrations.
    See `joint_sinkhorn_drifting`.

    Args:
        generated: Samples of the generator. Shape (B, G, S).
        positives: Demonstrations of this and of similar observations. Shape (B, P, S).
        second: Samples for the same observations from independent latents. Shape (B, H, S).
        positive_weights: Shape (B, P); a weight of zero excludes the point.
        epsilons: Regularisers, in units of the mean squared distance.
        iterations: Of each transport.
        own_scale: Measure the regulariser in the distances of each observation; if False, in
            those of the batch, as published. The scale of the drift is that of the batch in both
            cases: with one scale per observation, modes are lost.

    Returns:
        The drift, with one scale; each regulariser's velocity has an RMS of one.

    Raises:
        ValueError: See `log_transport_plan`.
    """
    to_data, to_own = _squares(generated, positives), _squares(generated, second)
    own_mean = _mean_square(generated, to_data, to_own, positive_weights)
    mean = own_mean.mean(0, keepdim=True)
    half = 0.5 / (own_mean if own_scale else mean).clamp_min(SMALLEST_SCALE**2)
    unit = (mean / generated.shape[2]).sqrt().clamp_min(SMALLEST_SCALE)
    centre = second.mean(1, keepdim=True)
    data, own = (positives - centre) / unit, (second - centre) / unit
    force = torch.stack(
        [
            barycentric_map(data, half * to_data, epsilon, iterations, positive_weights)
            - barycentric_map(own, half * to_own, epsilon, iterations)
            for epsilon in epsilons
        ]
    )
    velocity, force_rms = sum_of_unit_forces(force)
    return Drift(velocity, unit, force_rms)


@torch.no_grad()
def joint_sinkhorn_drifting(
    generated: Tensor,
    actions: Tensor,
    second: Tensor,
    features: Tensor,
    *,
    epsilon: float = 0.02,
    iterations: int = 20,
    observation_weight: float = 0.3,
    feature_unit: float | None = None,
) -> Drift:
    """Return the field of one transport of (observation, action) over the whole batch.

    The cost is `|a - a'|^2 / (2 s^2) + weight^2 |f - f'|^2 / (2 unit^2)`, `s` the RMS distance of
    actions in the batch; only actions are moved. The plan may assign a sample to the demonstration
    of a similar observation, which preserves the modes with one demonstration per observation.

    Args:
        generated: Samples of the generator; one per observation is enough. Shape (B, G, S).
        actions: The demonstration of each observation. Shape (B, S).
        second: Samples for the same observations from independent latents. Shape (B, H, S).
        features: Of each observation. Shape (B, F).
        epsilon: Regulariser, in the unit of the cost.
        iterations: Of each transport.
        observation_weight: Times `feature_unit`, about a fifth of the distance between modes in
            units of `s`. If it is too large, no observation is similar, and samples converge to
            the mean.
        feature_unit: Distance of similar observations; if None, the RMS distance to the eighth
            nearest in the batch, which adapts to features of any scale and number.

    Returns:
        The drift, with one scale.

    Raises:
        ValueError: If an argument has no axis of samples; see also `log_transport_plan`.
    """
    if generated.ndim != 3 or second.ndim != 3:
        raise ValueError(
            f"expected samples of shape (B, G, S), got {tuple(generated.shape)} and "
            f"{tuple(second.shape)}: add an axis of samples"
        )
    rows, own, data = generated.flatten(0, 1)[None], second.flatten(0, 1)[None], actions[None]
    to_data, to_own = _squares(rows, data), _squares(rows, own)
    mean = _mean_square(rows, to_data, to_own, None)
    half = 0.5 / mean.clamp_min(SMALLEST_SCALE**2)
    cost = _observation_cost(features, observation_weight, feature_unit)
    cost = cost.repeat_interleave(generated.shape[1], 1)
    to_data = half * to_data + cost
    to_own = half * to_own + cost.repeat_interleave(second.shape[1], 2)
    unit = (mean / generated.shape[2]).sqrt().clamp_min(SMALLEST_SCALE)
    centre = own.mean(1, keepdim=True)
    force = barycentric_map((data - centre) / unit, to_data, epsilon, iterations)
    force -= barycentric_map((own - centre) / unit, to_own, epsilon, iterations)
    velocity, force_rms = sum_of_unit_forces(force.reshape(1, *generated.shape))
    return Drift(velocity, unit, force_rms)


def _observation_cost(features: Tensor, weight: float, unit: float | None) -> Tensor:
    """Return the transport cost between observations. Shape (1, B, B)."""
    squares = _squares(features[None], features[None])
    if unit is not None:
        return 0.5 * (weight / unit) ** 2 * squares
    nearest = min(_NEIGHBOUR_RANK, len(features) - 1)
    square = squares.kthvalue(nearest + 1, dim=2).values.mean()
    return 0.5 * weight**2 * squares / square.clamp_min(SMALLEST_SCALE**2)


def _squares(queries: Tensor, targets: Tensor) -> Tensor:
    """Return squared distances by differences, without storing the differences."""
    return torch.cdist(queries, targets, compute_mode="donot_use_mm_for_euclid_dist").square()


def _mean_square(
    generated: Tensor, to_data: Tensor, to_own: Tensor, positive_weights: Tensor | None
) -> Tensor:
    """Return the mean squared distance of samples to all other points. Shape (B, 1, 1)."""
    samples, others = to_own.shape[1:]
    if positive_weights is None:
        positive_weights = torch.ones_like(to_data[:, 0])
    parts = to_data * positive_weights[:, None], to_own, _squares(generated, generated)
    total = torch.cat([part.flatten(1) for part in parts], dim=1).sum(1)
    pairs = samples * (positive_weights.sum(1) + others + samples - 1)
    return (total / pairs)[:, None, None]
