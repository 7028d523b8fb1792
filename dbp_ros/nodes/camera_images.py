"""Pictures from the wire to pixels, as bytes: without building a message, and compressed ones too.

See `wire` for how fields are read; pixels stay where they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage

from dbp_ros.contract import Frame, Image
from dbp_ros.errors import ConfigError, ObservationError
from dbp_ros.nodes.conversions import SteadyClock
from dbp_ros.nodes.wire import UNREADABLE, Reader
from dbp_ros.pixels import decoded, image_pixels


@dataclass(slots=True)
class WirePicture:
    """The fields of an image message that matter; see `PictureMessage`."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: memoryview


def plain_picture(message: bytes) -> tuple[Image, int]:
    """Return pixels and stamp in [ns] of a `sensor_msgs/msg/Image` as it came over the wire."""
    reader = Reader(message)
    stamp_ns = reader.header()
    height, width = reader.numbers("II")
    encoding, is_bigendian = reader.text(), reader.byte()
    (step,) = reader.numbers("I")
    picture = WirePicture(height, width, encoding, is_bigendian, step, reader.data())
    return image_pixels(picture), stamp_ns


def compressed_picture(message: bytes) -> tuple[Image, int]:
    """Return pixels and stamp in [ns] of a `sensor_msgs/msg/CompressedImage` from the wire."""
    reader = Reader(message)
    stamp_ns = reader.header()
    described = reader.text()
    return decoded(reader.data(), described), stamp_ns


@dataclass(frozen=True)
class Transport:
    """How pictures come.

    Attributes:
        kind: Type of the messages, to be subscribed to with `raw=True`.
        suffix: What follows the camera's name in the topic.
        read: Returns pixels and stamp in [ns].
    """

    kind: Any
    suffix: str
    read: Callable[[bytes], tuple[Image, int]]

    def frame(self, message: bytes, clock: SteadyClock) -> Frame:
        """Return a picture on the steady clock.

        Raises:
            ObservationError: If it cannot be read.
        """
        try:
            image, stamp_ns = self.read(message)
        except UNREADABLE as error:
            raise ObservationError(f"an image message cannot be read: {error}") from error
        return Frame(image, clock.steady_ns(stamp_ns))


TRANSPORTS = {
    "raw": Transport(ImageMessage, "image_raw", plain_picture),
    "compressed": Transport(CompressedImage, "image_raw/compressed", compressed_picture),
}


def transport_of(name: str) -> Transport:
    """Return a transport by its name.

    Raises:
        ConfigError: If it is unknown.
    """
    if name not in TRANSPORTS:
        raise ConfigError(f"image_transport is {name!r}, expected one of {', '.join(TRANSPORTS)}")
    return TRANSPORTS[name]
