"""Noise of an image sensor, which makes consecutive images of a static scene differ."""

import numpy as np

from dbp_ros.types import Image

TILES = 16


class SensorNoise:
    """Noise that flips the lowest bit of random pixels."""

    def __init__(self, height: int, width: int, seed: int) -> None:
        """Sample tiles of noise for images of a size in [px]."""
        rng = np.random.default_rng(seed)
        self._bits = rng.integers(0, 2, (TILES, height, width, 3), dtype=np.uint8)
        self._rng = rng

    def add(self, image: Image) -> Image:
        """Return an image with noise. Shape (height, width, 3)."""
        tile = self._bits[self._rng.integers(TILES)]
        noisy: Image = image ^ np.roll(tile, int(self._rng.integers(len(tile))), axis=0)
        return noisy
