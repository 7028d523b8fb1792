"""Large pictures from small ones, where large ones cannot be drawn in time."""

import numpy as np

from dbp_ros.types import Image


class Upscaler:
    """Repeats pixels: the picture shows no more than the small one, but is as much to carry."""

    def __init__(self, drawn: tuple[int, int], wanted: tuple[int, int]) -> None:
        """Prepare; sizes are heights and widths in [px]."""
        self._same = drawn == wanted
        self._rows, self._columns = (
            np.arange(large) * small // large for small, large in zip(drawn, wanted, strict=True)
        )

    def __call__(self, image: Image) -> Image:
        """Return the picture at the size that is wanted. Shape (height, width, 3)."""
        if self._same:
            return image
        return np.take(np.take(image, self._columns, axis=1), self._rows, axis=0)
