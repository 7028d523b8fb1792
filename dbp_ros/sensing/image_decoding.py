"""Decoding of raw and compressed images to rgb8 pixels.

Alpha is dropped, grey is repeated, and 16-bit values keep their upper byte. `8UC3` and `8UC4` do
not specify their channels and are decoded in the order of OpenCV, as bgr8 and bgra8.
"""

import io
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import PIL.Image

from dbp_ros.errors import ObservationError
from dbp_ros.types import Image

FORMATS = ("JPEG", "PNG", "WEBP")
# Larger images are refused before they are decoded.
MAX_PIXELS = 3840 * 2160
DEPTH = ("16UC1", "32FC1", "64FC1")


@dataclass(frozen=True)
class PixelLayout:
    """Byte layout of a pixel.

    Attributes:
        channels: Number of values per pixel.
        rgb: Indices of the red, green and blue value.
        value_bytes: Bytes per value, 1 or 2.
    """

    channels: int
    rgb: tuple[int, int, int]
    value_bytes: int = 1

    @property
    def pixel_bytes(self) -> int:
        """Bytes per pixel."""
        return self.channels * self.value_bytes


RGB, BGR, GREY = (0, 1, 2), (2, 1, 0), (0, 0, 0)
LAYOUTS = {
    "rgb8": PixelLayout(3, RGB),
    "bgr8": PixelLayout(3, BGR),
    "rgba8": PixelLayout(4, RGB),
    "bgra8": PixelLayout(4, BGR),
    "mono8": PixelLayout(1, GREY),
    "8UC1": PixelLayout(1, GREY),
    "8UC3": PixelLayout(3, BGR),
    "8UC4": PixelLayout(4, BGR),
    "rgb16": PixelLayout(3, RGB, 2),
    "bgr16": PixelLayout(3, BGR, 2),
    "rgba16": PixelLayout(4, RGB, 2),
    "bgra16": PixelLayout(4, BGR, 2),
    "mono16": PixelLayout(1, GREY, 2),
}
# Byte offsets of Y, Y, U and V of two neighbouring pixels.
YUV_ORDERS = {
    "uyvy": (1, 3, 0, 2),
    "yuv422": (1, 3, 0, 2),
    "yuyv": (0, 2, 1, 3),
    "yuv422_yuy2": (0, 2, 1, 3),
}
YUV_BYTES = 2
ENCODINGS = (*LAYOUTS, *YUV_ORDERS)


class ImageFields(Protocol):
    """Fields of a `sensor_msgs/msg/Image` that are read, from a live message or a bag."""

    height: int
    width: int
    encoding: str
    is_bigendian: Any
    step: int
    data: Any


def decode_raw(message: ImageFields) -> Image:
    """Return the pixels of a raw image as rgb8, without a copy if the layout allows it.

    Raises:
        ObservationError: If the encoding is not supported, or the data are shorter than the rows.
    """
    encoding = message.encoding
    if encoding in YUV_ORDERS:
        if message.width % 2:
            raise ObservationError(f"an image of {encoding} is {message.width} wide, expected even")
        return _from_yuv(_rows(message, YUV_BYTES), YUV_ORDERS[encoding])
    if (layout := LAYOUTS.get(encoding)) is None:
        raise ObservationError(_unsupported(encoding))
    pixels = _rows(message, layout.pixel_bytes)
    if encoding == "rgb8":
        return np.ascontiguousarray(pixels)
    upper = 1 if layout.value_bytes == 2 and not message.is_bigendian else 0
    image = np.empty((*pixels.shape[:2], 3), np.uint8)
    for channel, value in enumerate(layout.rgb):
        # A copy per channel takes a third of the time of a single copy with reordered channels.
        image[:, :, channel] = pixels[:, :, value * layout.value_bytes + upper]
    return image


def _rows(message: ImageFields, pixel_bytes: int) -> Image:
    """Return a view of the pixels without row padding. Shape (height, width, bytes)."""
    height, width, step = message.height, message.width, message.step
    row_bytes = pixel_bytes * width
    data = np.frombuffer(message.data, dtype=np.uint8)
    if 0 in (height, width) or step < row_bytes or len(data) < height * step:
        raise ObservationError(
            f"an image of {width}x{height} with {step} bytes a row has {len(data)} bytes, "
            f"expected {max(step, row_bytes) * height}"
        )
    rows = data[: height * step].reshape(height, step)[:, :row_bytes]
    return rows.reshape(height, width, pixel_bytes)


def _from_yuv(pixels: Image, order: tuple[int, int, int, int]) -> Image:
    """Return rgb8 by ITU-R BT.601 with Y from 16 to 235, as OpenCV and cv_bridge convert it."""
    height, width, _ = pixels.shape
    pairs = pixels.reshape(height, width // 2, 2 * YUV_BYTES)
    y0, y1, u, v = (pairs[:, :, offset].astype(np.int32) for offset in order)
    u, v = u - 128, v - 128
    # Fixed point with 20 fractional bits and rounding, with the coefficients of OpenCV.
    colours = (1673527 * v, -852492 * v - 409993 * u, 2116026 * u)
    image = np.empty((height, width // 2, 2, 3), np.uint8)
    for pixel, y in enumerate((y0, y1)):
        light = 1220542 * np.maximum(y - 16, 0) + (1 << 19)
        for channel, colour in enumerate(colours):
            image[:, :, pixel, channel] = np.clip((light + colour) >> 20, 0, 255)
    return image.reshape(height, width, 3)


def _unsupported(encoding: str) -> str:
    found = f"images are {encoding or 'without an encoding'}"
    if encoding in DEPTH:
        return f"{found}, a depth image: remap the camera to its colour topic, such as rgb8"
    if encoding.startswith("bayer_"):
        return (
            f"{found}, not yet in colour: remap the camera to the colour topic of image_proc, or "
            "set the driver to rgb8"
        )
    return (
        f"{found}, expected one of {', '.join(ENCODINGS)}: set the driver to rgb8, or convert them"
    )


def decode_compressed(data: Any, image_format: str) -> Image:
    """Return the pixels of a JPEG, PNG or WebP file as rgb8.

    Args:
        data: File content, bytes or a view.
        image_format: Field `format` of the message.

    Raises:
        ObservationError: If the file has another format, is damaged or too large, or contains a
            depth image.
    """
    found = f"a compressed image ({image_format or 'without a format'}) of {len(data)} bytes"
    if "compressedDepth" in image_format or image_format.split(";")[0].strip() in DEPTH:
        raise ObservationError(
            f"{found} is a depth image: remap the camera to its colour topic, compressed as JPEG "
            "or PNG"
        )
    try:
        image = PIL.Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"it has {image.width}x{image.height} pixels")
        return _as_rgb8(image)
    # Decoders raise many types of errors for damaged files, and all must be converted.
    except Exception as error:
        raise ObservationError(
            f"{found} cannot be decoded ({str(error) or type(error).__name__}): expected a "
            "JPEG or PNG file, or WebP"
        ) from error


def _as_rgb8(image: PIL.Image.Image) -> Image:
    if image.mode == "RGB":
        return np.asarray(image)
    if image.mode.startswith("I"):
        # 16-bit grey.
        grey: Image = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if "transparency" in image.info:
        # Pillow drops the transparent colour of a palette or of grey only through RGBA.
        image = image.convert("RGBA")
    return np.asarray(image.convert("RGB"))


def decode_image(message: Any) -> Image:
    """Return the pixels of a recorded `Image` or `CompressedImage` as rgb8.

    Raises:
        ObservationError: See `decode_raw` and `decode_compressed`.
    """
    if hasattr(message, "format"):
        return decode_compressed(message.data, message.format)
    return decode_raw(message)
