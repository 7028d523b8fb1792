"""Drifting fields: the displacement of each generated action chunk in one update.

Source of every formula: generative drifting, arXiv 2602.04770, as drift-based policies use it,
arXiv 2604.03540. `B` observations, `G` generated samples, `P` positives (demonstrations), `N`
explicit negatives, `S` numbers in a flattened chunk of normalised actions. A field is a function
of points, independent of networks and without gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

PUBLISHED_TEMPERATURES = (0.02, 0.05, 0.2)
WIDE_TEMPERATURES = (0.05, 0.1, 0.3)
_EXCLUDED = 100.0
SMALLEST_SCALE = 1e-3
_SMALLEST_SQUARE = 1e-8


@dataclass(frozen=True)
class Drift:
    """Drift of a batch.

    Attributes:
        velocity: In units of `scale`. Shape (B, G, S).
        scale: Size of one unit in normalised actions, for the whole batch. Shape (1, 1, 1).
        force_rms: RMS of the force before its normalisation, a measure of progress. Shape
            (temperatures,).
    """

    velocity: Tensor
    scale: Tensor
    force_rms: Tensor


def distances(queries: Tensor, targets: Tensor) -> Tensor:
    """Return Euclidean distances by differences, exact near coincidence in fp32.

    Args:
        queries: Shape (B, G, S).
        targets: Shape (B, M, S).

    Returns:
        Shape (B, G, M), at least 1e-4.
    """
    squares = (queries[:, :, None] - targets[:, None]).square().sum(-1)
    return squares.clamp_min(_SMALLEST_SQUARE).sqrt()


def forces(
    queries: Tensor,
    targets: Tensor,
    separations: Tensor,
    *,
    negatives: int,
    temperatures: Sequence[float],
    weights: Tensor | None = None,
    floor: float = 0.0,
) -> Tensor:
    """Return the cross-mass force of each query at each temperature, not normalised.

    The affinity is a kernel `exp(-d/tau)` normalised over targets and over queries, combined by
    the geometric mean. Attraction is multiplied by the repulsive mass and repulsion by the
    attractive mass, so the coefficients of a query sum to zero.

    Args:
        queries: Shape (B, G, S).
        targets: Negatives first, then positives. Shape (B, M, S).
        separations: Scaled distances. Shape (B, G, M).
        negatives: Number of repelling targets.
        temperatures: Kernel widths, in units of the scaled distance.
        weights: Non-negative weights of the targets; by default one. Shape (B, M).
        floor: Smallest product of the two softmaxes.

    Returns:
        Shape (temperatures, B, G, S), in the unit of `targets`.
    """
    widths = separations.new_tensor(list(temperatures))[:, None, None, None]
    logits = -separations / widths
    shared = logits.log_softmax(-1) + logits.log_softmax(-2)
    affinity = shared.exp().clamp_min(floor).sqrt() if floor else (0.5 * shared).exp()
    if weights is not None:
        affinity = affinity * weights[:, None]
    repelling, attracting = affinity[..., :negatives], affinity[..., negatives:]
    coefficients = torch.cat(
        [
            -attracting.sum(-1, keepdim=True) * repelling,
            repelling.sum(-1, keepdim=True) * attracting,
        ],
        dim=-1,
    )
    centre = targets.mean(1, keepdim=True)
    return coefficients @ (targets - centre)


def _exclude_self_distances(separations: Tensor, generated: int) -> Tensor:
    mask = torch.zeros_like(separations[0])
    mask[:, :generated].fill_diagonal_(_EXCLUDED)
    return separations + mask


def sum_of_unit_forces(force: Tensor) -> tuple[Tensor, Tensor]:
    """Return forces of RMS one over the batch, summed over temperatures, and their true RMS.

    Args:
        force: Shape (temperatures, B, G, S).

    Returns:
        The sum, shape (B, G, S), and the RMS before, shape (temperatures,). An RMS below 1e-4
        is not raised to one, so that a zero force remains zero.
    """
    square = force.square().mean(dim=(1, 2, 3))
    unit = force / square.clamp_min(_SMALLEST_SQUARE).sqrt()[:, None, None, None]
    return unit.sum(0), square.sqrt()


def _weights(
    generated: Tensor, negatives: Tensor | None, positives: Tensor, positive_weights: Tensor | None
) -> Tensor:
    batch = len(generated)
    repelling = generated.shape[1] + (0 if negatives is None else negatives.shape[1])
    ones = generated.new_ones(batch, repelling)
    if positive_weights is None:
        positive_weights = generated.new_ones(batch, positives.shape[1])
    return torch.cat([ones, positive_weights], dim=1)


def _targets(generated: Tensor, negatives: Tensor | None, positives: Tensor) -> Tensor:
    parts = [generated, positives] if negatives is None else [generated, negatives, positives]
    return torch.cat(parts, dim=1)


@torch.no_grad()
def drifting(
    generated: Tensor,
    positives: Tensor,
    *,
    negatives: Tensor | None = None,
    positive_weights: Tensor | None = None,
    temperatures: Sequence[float] = PUBLISHED_TEMPERATURES,
    scale: float | None = None,
    floor: float = 1e-6,
) -> Drift:
    """Return the field as published with drift-based policies.

    It has one scale for the whole batch that includes self-distances, a lower bound of the
    affinities, and narrow kernels. With one demonstration per observation it collapses to one
    mode; see `conditional_drifting`.

    Args:
        generated: Samples of the generator. Shape (B, G, S).
        positives: Demonstrations. Shape (B, P, S).
        negatives: More points to move away from. Shape (B, N, S).
        positive_weights: Shape (B, P); a weight of zero stays in the softmaxes.
        temperatures: Kernel widths, in units of the mean distance.
        scale: Fixed mean distance; by default measured.
        floor: Smallest product of the two softmaxes.

    Returns:
        The drift, with one scale. Its clamp (1e-3) acts for distances below about 1e-3.
    """
    targets = _targets(generated, negatives, positives)
    weights = _weights(generated, negatives, positives, positive_weights)
    separations = distances(generated, targets)
    if scale is None:
        mean = (separations * weights[:, None]).mean() / weights.mean()
    else:
        mean = separations.new_tensor(scale)
    unit = (mean / generated.shape[2] ** 0.5).clamp_min(SMALLEST_SCALE)
    force = forces(
        generated / unit,
        targets / unit,
        _exclude_self_distances(separations / mean.clamp_min(SMALLEST_SCALE), generated.shape[1]),
        negatives=targets.shape[1] - positives.shape[1],
        temperatures=temperatures,
        weights=weights,
        floor=floor,
    )
    velocity, force_rms = sum_of_unit_forces(force)
    return Drift(velocity, unit.reshape(1, 1, 1), force_rms)


@torch.no_grad()
def conditional_drifting(
    generated: Tensor,
    positives: Tensor,
    *,
    negatives: Tensor | None = None,
    positive_weights: Tensor | None = None,
    temperatures: Sequence[float] = WIDE_TEMPERATURES,
) -> Drift:
    """Return the field that preserves the modes of a conditional distribution.

    It differs from `drifting` in four ways: kernel widths are relative to the distances of each
    observation, these exclude self-distances, affinities have no lower bound, and the kernels are
    wide enough for a distant demonstration to attract.

    The drift has one scale for the batch. With one scale per observation, unambiguous observations
    outweigh ambiguous ones, and the rarer mode is lost.

    Args:
        generated: Samples of the generator, at least 2 and better 8. Shape (B, G, S).
        positives: Demonstrations. Shape (B, P, S).
        negatives: More points to move away from. Shape (B, N, S).
        positive_weights: Shape (B, P); a weight of zero excludes the point.
        temperatures: Kernel widths, in units of the observation's mean distance.

    Returns:
        The drift; its scale is the RMS of those of the observations.

    Raises:
        ValueError: If there is only one sample, which has no repulsion and thus no force.
    """
    samples = generated.shape[1]
    if samples < 2:
        raise ValueError(f"expected at least 2 generated samples, got {samples}: use 8")
    targets = _targets(generated, negatives, positives)
    weights = _weights(generated, negatives, positives, positive_weights)
    separations = distances(generated, targets)
    pair_weights = weights[:, None].repeat(1, samples, 1)
    pair_weights[:, :, :samples] *= 1.0 - torch.eye(
        samples, dtype=separations.dtype, device=separations.device
    )
    mean = (separations * pair_weights).sum((1, 2), keepdim=True) / pair_weights.sum(
        (1, 2), keepdim=True
    )
    mean = mean.clamp_min(SMALLEST_SCALE)
    unit = (mean.square().mean(0, keepdim=True) / generated.shape[2]).sqrt()
    excluded = _EXCLUDED * (weights[:, None] == 0)
    force = forces(
        generated / unit,
        targets / unit,
        _exclude_self_distances(separations / mean, samples) + excluded,
        negatives=targets.shape[1] - positives.shape[1],
        temperatures=temperatures,
        weights=weights,
    )
    velocity, force_rms = sum_of_unit_forces(force)
    return Drift(velocity, unit, force_rms)
