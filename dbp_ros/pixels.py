"""Pictures as robots send them: from the fields of an image message to pixels."""

from typing import Any, Protocol

import numpy as np

from dbp_ros.contract import Image
from dbp_ros.errors import ObservationError

CHANNEL_ORDERS = {"rgb8": slice(None), "bgr8": slice(None, None, -1)}


class PictureMessage(Protocol):
    """The fields of a `sensor_msgs/msg/Image` that matter, live or from a bag."""

    height: int
    width: int
    encoding: str
    step: int
    data: Any


def image_pixels(message: PictureMessage) -> Image:
    """Return the pixels of a message as rgb8, without a copy where the layout allows.

    Raises:
        ObservationError: If the encoding is not supported or the data do not fill the picture.
    """
    if message.encoding not in CHANNEL_ORDERS:
        raise ObservationError(
            f"images are {message.encoding or 'without an encoding'}, expected "
            f"{' or '.join(CHANNEL_ORDERS)}"
        )
    height, width, step = message.height, message.width, message.step
    data = np.frombuffer(message.data, dtype=np.uint8)
    if 0 in (height, width) or step < 3 * width or len(data) < height * step:
        raise ObservationError(
            f"an image of {width}x{height} with {step} bytes a row has {len(data)} bytes, "
            f"expected {max(step, 3 * width) * height}"
        )
    pixels = data[: height * step].reshape(height, step)[:, : 3 * width].reshape(height, width, 3)
    return np.ascontiguousarray(pixels[:, :, CHANNEL_ORDERS[message.encoding]])
