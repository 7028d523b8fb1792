"""Reduction of the images of an episode to the size that a policy is trained on.

The graph of a trained encoder resizes the images of the cameras to this size in the same way.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dbp_ros.data.episode import Episode
from dbp_ros.types import Array, Image, Indices


def with_image_size(episode: Episode, size: tuple[int, int] | None) -> Episode:
    """Return an episode whose images have a height and a width; itself for None."""
    if size is None:
        return episode
    images: Mapping[str, Image] = {
        camera: np.stack([resize(image, size) for image in images])
        for camera, images in episode.images.items()
    }
    return replace(episode, images=dict(images))


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
