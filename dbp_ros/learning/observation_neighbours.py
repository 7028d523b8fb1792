"""The nearest rows of other episodes in a data set; see `dbp_ros.drift.nearest_neighbours`.

Images are compared by the principal components of their pixels at a low resolution.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dbp_ros.drift.nearest_neighbours import nearest_neighbours
from dbp_ros.types import Floats, Image

# Side of the compared images, and number of their principal components.
COMPARED_PX, COMPONENTS = 12, 16
# Rows that are reduced at once.
PART = 1024


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
        observed: Normalised states and components of images. Shape (steps, size).
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


def image_components(images: Image) -> Floats:
    """Return principal components of images, with a total variance of 1.

    Args:
        images: Shape (n, height, width, 3).

    Returns:
        Shape (n, at most `COMPONENTS`).
    """
    small = np.concatenate(
        [_reduced(images[start : start + PART]) for start in range(0, len(images), PART)]
    )
    centred = small - small.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    components: Floats = centred @ vectors[:, ::-1][:, :COMPONENTS]
    total = float(np.maximum(values[::-1][:COMPONENTS], 0.0).sum())
    return components / np.float32(max(np.sqrt(total), 1e-6))


def _reduced(images: Image) -> Floats:
    """Return images at a low resolution. Shape (n, values)."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    reduced = torch.nn.functional.adaptive_avg_pool2d(pixels, COMPARED_PX)
    values: Floats = reduced.flatten(1).numpy()
    return values
