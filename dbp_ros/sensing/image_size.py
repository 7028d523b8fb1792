"""Reduction of an image to the size that a policy is trained on.

The graph of a trained encoder resizes the images of the cameras in the same way.
"""

import numpy as np

from dbp_ros.types import Array, Image, Indices


def resize(image: Image, size: tuple[int, int]) -> Image:
    """Return an image of another size, by bilinear interpolation between pixel centres.

    Args:
        image: rgb8. Shape (height, width, 3).
        size: New height and width.
    """
    if image.shape[:2] == size:
        return image
    top, bottom, vertical = _neighbours(image.shape[0], size[0])
    left, right, horizontal = _neighbours(image.shape[1], size[1])
    vertical, horizontal = vertical[:, None, None], horizontal[None, :, None]
    rows = image[top] * (1.0 - vertical) + image[bottom] * vertical
    pixels = rows[:, left] * (1.0 - horizontal) + rows[:, right] * horizontal
    resized: Image = np.rint(pixels).astype(np.uint8)
    return resized


def _neighbours(old: int, new: int) -> tuple[Indices, Indices, Array]:
    """Return the two neighbours of each new pixel, and the weight of the second."""
    centres = np.maximum((np.arange(new) + 0.5) * old / new - 0.5, 0.0)
    first = centres.astype(np.int64)
    return first, np.minimum(first + 1, old - 1), centres - first
