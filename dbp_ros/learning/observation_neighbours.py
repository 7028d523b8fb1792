"""The nearest rows of other episodes in a data set; see `dbp_ros.drift.nearest_neighbours`."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dbp_ros.drift.nearest_neighbours import nearest_neighbours
from dbp_ros.types import Floats


@dataclass(frozen=True)
class Neighbours:
    """Nearest rows of other episodes, for every row of a data set.

    Attributes:
        rows: Nearest first. Shape (steps, K).
        weights: `exp(-d^2 / 2 h^2)`, zero for rows without neighbours. Shape (steps, K).
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
        rows: Training rows; other rows are no neighbours and have none. Shape (n,).
        count: Number of neighbours, K.
        bandwidth: `h`, in median distances to the nearest row of another episode.
    """
    neighbour_rows = np.zeros((len(observed), count), np.int64)
    weights = np.zeros((len(observed), count), np.float32)
    neighbour_rows[:] = np.arange(len(observed))[:, None]
    count = min(count, len(rows))
    nearest = nearest_neighbours(
        torch.from_numpy(observed[rows]),
        count,
        groups=torch.from_numpy(episode[rows]),
        bandwidth=bandwidth,
    )
    neighbour_rows[rows, :count] = rows[nearest.indices.numpy()]
    weights[rows, :count] = nearest.weights.numpy()
    return Neighbours(neighbour_rows, weights)
