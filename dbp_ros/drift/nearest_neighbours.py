"""Positives from the demonstrations of similar observations.

With one demonstration per observation, each update has positives of one mode only. The chunks of
the nearest other observations, weighted by distance, are additional positives: the force is less
noisy, and every mode attracts in every update.
"""

from typing import NamedTuple

import torch
from torch import Tensor

_PART = 256
_SMALLEST_WIDTH = 1e-30


class NearestNeighbours(NamedTuple):
    """Nearest other observations of each observation.

    Attributes:
        indices: Nearest first. Shape (n, K).
        weights: `exp(-d^2 / 2 h^2)`, zero if there are fewer than K. Shape (n, K).
    """

    indices: Tensor
    weights: Tensor


@torch.no_grad()
def nearest_neighbours(
    observations: Tensor, count: int, *, groups: Tensor | None = None, bandwidth: float = 1.0
) -> NearestNeighbours:
    """Find the nearest other observations of a data set.

    Args:
        observations: Normalised. Shape (n, F).
        count: Number of neighbours, K.
        groups: Group of each observation, such as its episode; observations of one group are not
            neighbours. By default each observation is its own group. Shape (n,).
        bandwidth: `h`, in median distances to the nearest neighbour.
    """
    group = torch.arange(len(observations)) if groups is None else groups
    group = group.to(observations.device)
    indices, distances = [], []
    for start in range(0, len(observations), _PART):
        part = slice(start, start + _PART)
        separations = torch.cdist(
            observations[part], observations, compute_mode="donot_use_mm_for_euclid_dist"
        )
        separations[group[part, None] == group[None]] = torch.inf
        nearest = separations.topk(count, largest=False)
        indices.append(nearest.indices)
        distances.append(nearest.values)
    nearest_distances = torch.cat(distances)
    closest = nearest_distances[:, 0][nearest_distances[:, 0].isfinite()]
    if not len(closest):
        return NearestNeighbours(torch.cat(indices), torch.zeros_like(nearest_distances))
    width = max(bandwidth * float(closest.median()), _SMALLEST_WIDTH)
    return NearestNeighbours(
        torch.cat(indices), torch.exp(-0.5 * (nearest_distances / width).square())
    )
