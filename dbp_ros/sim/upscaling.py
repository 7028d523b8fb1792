"""Enlargement of small images, for machines that cannot render large ones in time."""

import numpy as np

from dbp_ros.types import Image


class Upscaler:
    """Nearest-neighbour enlargement to the message size of a real camera."""

    def __init__(self, rendered: tuple[int, int], published: tuple[int, int]) -> None:
        """Precompute the indices for sizes of (height, width) in [px]."""
        self._same = rendered == published
        self._rows, self._columns = (
            np.arange(large) * small // large
            for small, large in zip(rendered, published, strict=True)
        )

    def __call__(self, image: Image) -> Image:
        """Return the image at the published size. Shape (height, width, 3)."""
        if self._same:
            return image
        return np.take(np.take(image, self._columns, axis=1), self._rows, axis=0)
