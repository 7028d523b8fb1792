"""Statistics of features, as LeRobot stores them for each episode and for the whole set."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.types import Image

Values = NDArray[Any]
LEVELS = 256
QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}


class FeatureStatistics:
    """Values of the numbers of a set and levels of its images, by feature."""

    def __init__(self) -> None:
        self._numbers: dict[str, list[Values]] = {}
        self._levels: dict[str, Values] = {}
        self._frames: dict[str, int] = {}

    def add(
        self, numbers: Mapping[str, Values], images: Mapping[str, Image]
    ) -> dict[str, dict[str, Any]]:
        """Add an episode and return its own statistics.

        Args:
            numbers: Rows of each feature. Shapes (steps, ...).
            images: Images of each camera. Shapes (steps, height, width, 3).
        """
        found = {}
        for key, values in numbers.items():
            self._numbers.setdefault(key, []).append(values)
            found[key] = number_statistics(values)
        for key, pixels in images.items():
            levels = channel_levels(pixels)
            self._levels[key] = self._levels.get(key, 0) + levels
            self._frames[key] = self._frames.get(key, 0) + len(pixels)
            found[key] = image_statistics(levels, len(pixels))
        return found

    def total(self) -> dict[str, dict[str, Any]]:
        """Return the statistics of all episodes."""
        numbers = {
            key: number_statistics(np.concatenate(rows)) for key, rows in self._numbers.items()
        }
        images = {
            key: image_statistics(levels, self._frames[key]) for key, levels in self._levels.items()
        }
        return numbers | images


def number_statistics(values: Values) -> dict[str, Any]:
    """Return the statistics of rows of numbers, as lists of the shape of a row.

    Args:
        values: Shape (steps,) for a scalar, or (steps, ...).
    """
    rows = values.reshape(len(values), -1) if values.ndim == 1 else values
    exact = rows.astype(np.float64)
    quantiles = np.quantile(exact, list(QUANTILES.values()), axis=0)
    return {
        # Of the type of the feature: a count of nanoseconds exceeds the digits of a float.
        "min": _plain(rows.min(axis=0)),
        "max": _plain(rows.max(axis=0)),
        "mean": exact.mean(axis=0).tolist(),
        "std": exact.std(axis=0).tolist(),
        "count": [len(rows)],
        **{name: row.tolist() for name, row in zip(QUANTILES, quantiles, strict=True)},
    }


def channel_levels(images: Image) -> Values:
    """Return how many pixels of each channel have each level. Shape (3, 256)."""
    channels = [np.bincount(images[..., channel].ravel(), minlength=LEVELS) for channel in range(3)]
    return np.stack(channels)


def image_statistics(levels: Values, frames: int) -> dict[str, Any]:
    """Return the statistics of pixels from 0 to 1, as lists of shape (3, 1, 1).

    Args:
        levels: Number of pixels by channel and level. Shape (3, 256).
        frames: Number of images.
    """
    scale = np.arange(LEVELS) / (LEVELS - 1)
    pixels = levels.sum(axis=1)
    mean = levels @ scale / pixels
    variance = levels @ scale**2 / pixels - mean**2
    found = {
        "min": scale[(levels > 0).argmax(axis=1)],
        "max": scale[LEVELS - 1 - (levels[:, ::-1] > 0).argmax(axis=1)],
        "mean": mean,
        "std": np.sqrt(np.maximum(variance, 0.0)),
    }
    below = np.cumsum(levels, axis=1) / pixels[:, None]
    found |= {name: scale[(below >= share).argmax(axis=1)] for name, share in QUANTILES.items()}
    shaped: dict[str, Any] = {name: v.reshape(3, 1, 1).tolist() for name, v in found.items()}
    return shaped | {"count": [frames]}


def _plain(values: Values) -> Any:
    return (values.astype(np.int64) if values.dtype.kind == "b" else values).tolist()
