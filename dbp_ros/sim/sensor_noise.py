"""What a sensor adds to a picture, so that no two of a still scene are the same."""

import numpy as np

from dbp_ros.types import Image

TILES = 16


class SensorNoise:
    """Flips the last bit of pixels at random, as the noise of a good camera does."""

    def __init__(self, height: int, width: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._bits = rng.integers(0, 2, (TILES, height, width, 3), dtype=np.uint8)
        self._drawn = rng

    def add(self, image: Image) -> Image:
        """Return a picture with noise. Shape (height, width, 3)."""
        tile = self._bits[self._drawn.integers(TILES)]
        noisy: Image = image ^ np.roll(tile, int(self._drawn.integers(len(tile))), axis=0)
        return noisy
