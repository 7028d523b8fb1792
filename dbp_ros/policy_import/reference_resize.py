"""Resize of images in NumPy, by the formula of each pixel."""

import numpy as np

from dbp_ros.settings.policy_mapping import ImageInput
from dbp_ros.types import Array, Image


def resize(pixels: Image, image: ImageInput, size: tuple[int, int]) -> Array:
    """Return an image as a policy takes it, before the scaling of its pixels.

    Args:
        pixels: The image, of any size. Shape (height, width, 3).
        image: How it is fitted and interpolated.
        size: Height and width of the result.

    Returns:
        Pixels from 0 to 255. Shape (*size, 3).
    """
    height, width = pixels.shape[:2]
    scales = size[0] / height, size[1] / width
    if image.fit != "stretch":
        scale = min(scales) if image.fit == "pad" else max(scales)
        scales = scale, scale
    rows, columns = _weights(height, scales[0], image), _weights(width, scales[1], image)
    resized = np.einsum("ih,hwc,jw->ijc", rows, pixels.astype(np.float64), columns, optimize=True)
    return _fitted(resized, size)


def _weights(length: int, scale: float, image: ImageInput) -> Array:
    """Return the weight of each pixel of an axis in each pixel of the result."""
    count = int(np.floor(length * scale + 0.5))
    centres = (np.arange(count) + 0.5) / scale - 0.5
    if image.interpolation == "linear":
        centres = np.clip(centres, 0, length - 1)
    reach = max(1.0, 1 / scale) if image.interpolation == "linear_antialias" else 1.0
    distances = np.abs(np.arange(length)[None] - centres[:, None]) / reach
    triangle = np.maximum(0.0, 1.0 - distances)
    normalised: Array = triangle / triangle.sum(axis=1, keepdims=True)
    return normalised


def _fitted(resized: Array, size: tuple[int, int]) -> Array:
    """Return the centre of an image, with black pixels where it is smaller than `size`."""
    result = np.zeros((*size, 3))
    source, target = list[slice](), list[slice]()
    for found, wanted in zip(resized.shape, size, strict=False):
        common = min(found, wanted)
        first, start = (found - wanted) // 2, (wanted - found) // 2
        source.append(slice(max(first, 0), max(first, 0) + common))
        target.append(slice(max(start, 0), max(start, 0) + common))
    result[tuple(target)] = resized[tuple(source)]
    return result
