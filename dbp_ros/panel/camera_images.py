"""Camera images on the page, scaled and at a limited rate."""

from collections.abc import Sequence

import numpy as np
import viser

from dbp_ros.panel.snapshot import PanelSnapshot
from dbp_ros.types import Image

JPEG_QUALITY = 70
EMPTY: Image = np.full((60, 80, 3), 200, np.uint8)


class CameraImages:
    """One image element per camera."""

    def __init__(
        self, server: viser.ViserServer, cameras: Sequence[str], rate_hz: float, width: int
    ) -> None:
        """Add the elements to the current container.

        Args:
            server: Server of the page.
            cameras: Names of the cameras.
            rate_hz: Most images per second of a camera.
            width: Largest width in pixels.
        """
        self._period_s, self._width = 1.0 / rate_hz, width
        self._sent_s = -float("inf")
        self._elements = {
            name: server.gui.add_image(EMPTY, label=name, format="jpeg", jpeg_quality=JPEG_QUALITY)
            for name in cameras
        }
        self._shown: dict[str, int] = {}

    def update(self, snapshot: PanelSnapshot, now_s: float, shown: bool) -> None:
        """Send the images that are new, if it is time."""
        if not shown or now_s - self._sent_s < self._period_s:
            return
        self._sent_s = now_s
        for name, newest in snapshot.images.items():
            if name in self._elements and self._shown.get(name) != newest.number:
                self._shown[name] = newest.number
                self._elements[name].image = scaled(newest.image, self._width)


def scaled(image: Image, width: int) -> Image:
    """Return an image with every k-th pixel, or each pixel k times, so that it is about `width`.

    Args:
        image: Pixels. Shape (height, columns, 3).
        width: Largest width.
    """
    columns = image.shape[1]
    if columns > width:
        step = -(-columns // width)
        return np.ascontiguousarray(image[::step, ::step])
    factor = width // columns
    return image.repeat(factor, axis=0).repeat(factor, axis=1)
