"""Encoding of images as PNG files, which are exact."""

import io

from PIL import Image as PilImage

from dbp_ros.types import Image

# Level of zlib, from 0 to 9.
COMPRESSION_LEVEL = 3


def encode_png(pixels: Image) -> bytes:
    """Return the content of a PNG file.

    Args:
        pixels: rgb8. Shape (height, width, 3).
    """
    buffer = io.BytesIO()
    PilImage.fromarray(pixels).save(buffer, "PNG", compress_level=COMPRESSION_LEVEL)
    return buffer.getvalue()
