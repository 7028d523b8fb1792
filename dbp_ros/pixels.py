"""Pictures as robots send them: from the fields of an image message to pixels."""

import io
from typing import Any, Protocol

import numpy as np
from PIL import Image as Picture

from dbp_ros.contract import Image
from dbp_ros.errors import ObservationError

CHANNEL_ORDERS = {"rgb8": slice(None), "bgr8": slice(None, None, -1)}
FORMATS = ("JPEG", "PNG")
# A picture that claims to be larger is refused before it is decoded.
MOST_PIXELS = 3840 * 2160


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


def decoded(data: Any, described: str) -> Image:
    """Return the pixels of a JPEG or PNG file, rgb8.

    Args:
        data: The file, bytes or a view of them.
        described: What the message says that it is, for the error.

    Raises:
        ObservationError: If it is neither, damaged, too large, or not of three colours.
    """
    try:
        picture = Picture.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > MOST_PIXELS:
            raise ValueError(f"it has {picture.width}x{picture.height} pixels")
        if picture.mode != "RGB":
            raise ValueError(f"its colours are {picture.mode}, expected RGB")
        return np.asarray(picture)
    except (OSError, ValueError, SyntaxError, Picture.DecompressionBombError) as error:
        raise ObservationError(
            f"a compressed image ({described or 'without a format'}) of {len(data)} bytes cannot "
            f"be decoded ({error}): expected a JPEG or PNG file of three colours"
        ) from error


def pixels_of(message: Any) -> Image:
    """Return the pixels of a recorded `Image` or `CompressedImage`, rgb8.

    Raises:
        ObservationError: See `image_pixels` and `decoded`.
    """
    if hasattr(message, "format"):
        return decoded(message.data, message.format)
    return image_pixels(message)
