"""Disturbances of an evaluation: a varied cell, degraded images, and a delayed robot."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dbp_ros.sim.variation import NOMINAL, Variation
from dbp_ros.types import Array, Floats, Image

# One pass of this kernel blurs with a standard deviation of 0.7 px.
BLUR_KERNEL = (0.25, 0.5, 0.25)


@dataclass(frozen=True)
class Disturbance:
    """Differences between an evaluation and the nominal one.

    Attributes:
        variation: Variation of the cell.
        pixel_noise: Standard deviation of the noise of each pixel, of 255.
        blur_passes: Number of passes of `BLUR_KERNEL` over each image.
        image_delay_s: Additional latency of the images.
        dropped_images: Probability that an image is lost.
        command_delay_s: Delay of the robot, in addition to that of its servos.
    """

    variation: Variation = NOMINAL
    pixel_noise: float = 0.0
    blur_passes: int = 0
    image_delay_s: float = 0.0
    dropped_images: float = 0.0
    command_delay_s: float = 0.0


UNDISTURBED = Disturbance()


def degrade(image: Image, disturbance: Disturbance, rng: np.random.Generator) -> Image:
    """Return an image with the blur and the noise of a disturbance, rgb8 of the same shape.

    Args:
        image: rgb8. Shape (height, width, 3).
        disturbance: Size of blur and noise.
        rng: Random numbers of the noise.
    """
    if not (disturbance.blur_passes or disturbance.pixel_noise):
        return image
    values: Floats = image.astype(np.float32)
    for _ in range(disturbance.blur_passes):
        for axis in (0, 1):
            values = _convolve(values, axis)
    values = values + disturbance.pixel_noise * rng.standard_normal(values.shape, np.float32)
    degraded: Image = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return degraded


def _convolve(values: Floats, axis: int) -> Floats:
    padding = [(0, 0)] * values.ndim
    padding[axis] = (1, 1)
    windows = sliding_window_view(np.pad(values, padding, "edge"), 3, axis)
    blurred: Floats = windows @ np.array(BLUR_KERNEL, np.float32)
    return blurred


class DelayLine:
    """Queue that returns each command a fixed number of periods later."""

    def __init__(self, periods: int) -> None:
        """Start empty.

        Args:
            periods: Delay; 0 returns each command at once.
        """
        self._queue: deque[Array | None] = deque([None] * periods)

    def shift(self, command: Array | None) -> Array | None:
        """Add the command of this period, None if there is none; return the delayed one."""
        self._queue.append(command)
        return self._queue.popleft()
