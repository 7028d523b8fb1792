"""Several positives: what was demonstrated from nearly the same observation.

With one demonstration an observation, a field gets one mode at a time. The chunks of the nearest
other observations are further positives, weighted by their distance: the force on a sample is
less noisy, and a far mode attracts in every step.
"""

from typing import NamedTuple

import torch
from torch import Tensor

_PART = 256
_SMALLEST_WIDTH = 1e-30


class NearestNeighbours(NamedTuple):
    """The nearest other observations of each observation.

    Attributes:
        indices: Nearest first. Shape (n, K).
        weights: `exp(-d^2 / 2 h^2)`, zero where there is no other. Shape (n, K).
    """

    indices: Tensor
    weights: Tensor


@torch.no_grad()
def nearest_neighbours(
    observations: Tensor, count: int, *, groups: Tensor | None = None, bandwidth: float = 1.0
) -> NearestNeighbours:
    """Find the nearest other observations of a data set.

    Args:
        observations: Normalised, so that distances mean something. Shape (n, F).
        count: How many, K.
        groups: Number of each observation's episode, whose other rows are no neighbours; each is
            its own where None. Shape (n,).
        bandwidth: `h`, in median distances to the nearest neighbour.
    """
    owner = torch.arange(len(observations)) if groups is None else groups
    owner = owner.to(observations.device)
    indices, distances = [], []
    for start in range(0, len(observations), _PART):
        part = slice(start, start + _PART)
        apart = torch.cdist(
            observations[part], observations, compute_mode="donot_use_mm_for_euclid_dist"
        )
        apart[owner[part, None] == owner[None]] = torch.inf
        nearest = apart.topk(count, largest=False)
        indices.append(nearest.indices)
        distances.append(nearest.values)
    apart = torch.cat(distances)
    closest = apart[:, 0][apart[:, 0].isfinite()]
    if not len(closest):
        return NearestNeighbours(torch.cat(indices), torch.zeros_like(apart))
    width = max(bandwidth * float(closest.median()), _SMALLEST_WIDTH)
    return NearestNeighbours(torch.cat(indices), torch.exp(-0.5 * (apart / width).square()))
