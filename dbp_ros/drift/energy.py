"""The energy score and its gradient field.

Notation and shapes as in `fields`. Source: the energy distance with its linear cost, the limit of
the Sinkhorn divergence of arXiv 2605.11755 for a wide regulariser.
"""

import torch
from torch import Tensor

from dbp_ros.drift.fields import Drift, distances


@torch.no_grad()
def energy_drifting(generated: Tensor, positives: Tensor) -> Drift:
    """Return the field whose potential is the energy score: no kernel, no temperature.

    Each sample is attracted by the positives and repelled by the other samples with forces of equal
    size at every distance: the limit of a kernel wider than the data. It is unbiased with one
    positive, and contracts the samples of an unambiguous observation at any `S`.

    Args:
        generated: Shape (B, G, S), G at least 2.
        positives: Shape (B, P, S).

    Returns:
        The drift, not normalised, in normalised actions.

    Raises:
        ValueError: If there is only one sample, which would converge to the mean.
    """
    samples, size = generated.shape[1], generated.shape[2]
    if samples < 2:
        raise ValueError(f"expected at least 2 generated samples, got {samples}: use 8")
    attraction = _mean_direction(generated, positives, positives.shape[1])
    repulsion = _mean_direction(generated, generated, samples - 1)
    force = (attraction - repulsion) * size**0.5
    rms = force.square().mean().sqrt()
    return Drift(force, torch.ones_like(force[:1, :1, :1]), rms[None])


def _mean_direction(queries: Tensor, targets: Tensor, count: int) -> Tensor:
    differences = targets[:, None] - queries[:, :, None]
    return (differences / distances(queries, targets)[..., None]).sum(2) / count


def energy_score(generated: Tensor, positives: Tensor) -> Tensor:
    """Return the energy score of samples against demonstrations; lower is better.

    `mean |x_i - y| - 1/2 mean_{i != j} |x_i - x_j|`: strictly proper, so it is smallest in
    expectation for the distribution of the demonstrations, including its modes and their width.

    Args:
        generated: At least 2 samples for each observation. Shape (B, G, S).
        positives: Shape (B, P, S).

    Returns:
        Shape (B,).
    """
    samples = generated.shape[1]
    to_data = torch.linalg.vector_norm(generated[:, :, None] - positives[:, None], dim=-1)
    to_own = torch.linalg.vector_norm(generated[:, :, None] - generated[:, None], dim=-1)
    score: Tensor = to_data.mean((1, 2)) - to_own.sum((1, 2)) / (2 * samples * (samples - 1))
    return score
