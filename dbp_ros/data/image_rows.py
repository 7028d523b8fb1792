"""Images of a foreign format as rgb8."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.data.episode_set import RowShape
from dbp_ros.errors import EpisodeError
from dbp_ros.types import Image

WHITE = 255.0
COLOURS = 3
# Smallest side of an image; a smaller array of three axes holds other values, such as poses.
MIN_SIDE = 8


def is_image(shape: RowShape) -> bool:
    """Return whether a row may be an image in colour, whose last or first axis are the colours."""
    if len(shape) != 3:
        return False
    return shape[2] == COLOURS or has_colours_first(shape)


def has_colours_first(shape: RowShape) -> bool:
    """Return whether a row has the axes colours, height, width."""
    return len(shape) == 3 and shape[0] == COLOURS < MIN_SIDE <= min(shape[1:])


def compressed_images(key: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> EpisodeError:
    """Return the error of a camera whose images are stored as files.

    Args:
        key: Key of the camera.
        shape: Of its array.
        dtype: Of the items: bytes, objects, or the numbers of padded files.
    """
    return EpisodeError(
        f"{key} has shape {shape} of {dtype}, expected (steps, height, width, 3) of numbers: "
        "compressed images, as some sets of ALOHA have, do not define the order of their colours, "
        "so store them decoded as rgb8"
    )


def rgb8(key: str, values: NDArray[Any]) -> Image:
    """Return images as rgb8. Shape (steps, height, width, 3).

    Args:
        key: Key of the camera, for errors.
        values: Colours from 0 to 255, or fractions from 0 to 1. Shape (steps, height, width, 3) or
            (steps, 3, height, width).

    Raises:
        EpisodeError: If the rows are no images, the values are other colours, or all are 0 or 1,
            which may be either scale.
    """
    if values.ndim == 2:
        raise compressed_images(key, values.shape, values.dtype)
    if has_colours_first(values.shape[1:]):
        values = np.moveaxis(values, 1, -1)
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    lowest, highest = float(values.min()), float(values.max())
    fractions = 0 < highest <= 1 and bool((values % 1 != 0).any())
    # NaN fails the comparison.
    if not (lowest >= 0 and highest <= WHITE) or (0 < highest <= 1 and not fractions):
        raise EpisodeError(
            f"{key} runs from {lowest:g} to {highest:g}, expected colours from 0 to 255 or "
            "fractions from 0 to 1: scale the images"
        )
    pixels: Image = np.rint(values * WHITE if fractions else values).astype(np.uint8)
    return np.ascontiguousarray(pixels)
