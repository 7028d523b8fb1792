"""Which other demonstrations began from nearly the same observation.

With one demonstration an observation, a field sees one way of doing it at a time. What others did
in nearly the same place are more positives, the less the farther away (ALGORITHMS: K-nearest
positives); they make a far mode felt and the field less noisy.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dbp_ros.contract import Floats

_PART = 256
_SMALLEST_WIDTH = 1e-30


@dataclass(frozen=True)
class Neighbours:
    """The nearest rows of other episodes, for every row of a data set.

    Attributes:
        rows: Nearest first. Shape (steps, K).
        weights: `exp(-d^2 / 2 h^2)`, zero for rows that have no neighbours. Shape (steps, K).
    """

    rows: NDArray[np.int64]
    weights: Floats


def find_neighbours(
    observed: Floats,
    episode: NDArray[np.int64],
    rows: NDArray[np.int64],
    count: int,
    bandwidth: float,
) -> Neighbours:
    """Find the nearest training rows of other episodes.

    Args:
        observed: Normalised states. Shape (steps, size).
        episode: Number of each row's episode. Shape (steps,).
        rows: Rows that may be neighbours and have any: those of training. Shape (n,).
        count: How many of them, K.
        bandwidth: `h`, in median distances to the nearest row of another episode.
    """
    found = np.zeros((len(observed), count), np.int64)
    weights = np.zeros((len(observed), count), np.float32)
    found[:] = np.arange(len(observed))[:, None]
    points = torch.from_numpy(observed[rows])
    owner = torch.from_numpy(episode[rows])
    count = min(count, len(rows))
    apart = np.full((len(rows), count), np.inf, np.float32)
    for start in range(0, len(rows), _PART):
        part = slice(start, start + _PART)
        distance = torch.cdist(points[part], points, compute_mode="donot_use_mm_for_euclid_dist")
        distance[owner[part, None] == owner[None]] = torch.inf
        nearest = distance.topk(count, largest=False)
        found[rows[part], :count] = rows[nearest.indices.numpy()]
        apart[part] = nearest.values.numpy()
    closest = apart[:, 0][np.isfinite(apart[:, 0])]
    if len(closest):
        width = max(bandwidth * float(np.median(closest)), _SMALLEST_WIDTH)
        weights[rows, :count] = np.exp(-0.5 * np.square(apart / width))
    return Neighbours(found, weights)
