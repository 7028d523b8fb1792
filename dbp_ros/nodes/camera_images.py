"""Camera images: topic names, and pixels from serialised messages.

Messages are read in place; see `cdr`. Raw pixels are a view of the message if the encoding allows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage

from dbp_ros.errors import ConfigError, ObservationError
from dbp_ros.nodes.cdr import UNREADABLE, CdrReader
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.sensing.image_decoding import decode_compressed, decode_raw
from dbp_ros.types import Frame, Image

BASE, INFO = "image_raw", "camera_info"


@dataclass(slots=True)
class DecodedMessage:
    """Fields of an image message; see `ImageFields`."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: memoryview


def read_raw_image(message: bytes) -> tuple[Image, int]:
    """Return pixels and stamp in [ns] of a serialised `sensor_msgs/msg/Image`."""
    reader = CdrReader(message)
    stamp_ns = reader.header()
    height, width = reader.numbers("II")
    encoding, is_bigendian = reader.text(), reader.byte()
    (step,) = reader.numbers("I")
    fields = DecodedMessage(height, width, encoding, is_bigendian, step, reader.data())
    return decode_raw(fields), stamp_ns


def read_compressed_image(message: bytes) -> tuple[Image, int]:
    """Return pixels and stamp in [ns] of a serialised `sensor_msgs/msg/CompressedImage`."""
    reader = CdrReader(message)
    stamp_ns = reader.header()
    image_format = reader.text()
    return decode_compressed(reader.data(), image_format), stamp_ns


@dataclass(frozen=True)
class ImageTransport:
    """Transport of images.

    Attributes:
        message_type: Type of the messages; subscriptions use `raw=True`.
        suffix: Suffix to the base topic of a camera; may be empty.
        read: Returns pixels and stamp in [ns].
    """

    message_type: Any
    suffix: str
    read: Callable[[bytes], tuple[Image, int]]

    def topic(self, node: Node, camera: str) -> str:
        """Return the topic of a camera under the remap rules of a node.

        A rule for the full topic, such as `<camera>/image_raw/compressed`, has priority. Otherwise
        a rule for the base topic `<camera>/image_raw`, or for `<camera>`, applies to the base
        topic, and the suffix is appended, as in image_transport.
        """
        base = f"{camera}/{BASE}"
        full = base + self.suffix
        if _remapped(node, full) is None:
            for name in (base, camera):
                if (resolved := _remapped(node, name)) is not None:
                    return resolved + self.suffix
        return full

    def frame(self, message: bytes, clock: SteadyClock) -> Frame:
        """Return the image of a serialised message, stamped on the steady clock.

        Raises:
            ObservationError: If the message cannot be read.
        """
        try:
            image, stamp_ns = self.read(message)
        except UNREADABLE as error:
            raise ObservationError(f"an image message cannot be read: {error}") from error
        return Frame(image, clock.steady_ns(stamp_ns))


def _remapped(node: Node, name: str) -> str | None:
    """Return the remapped full name of a topic; None if no rule matches."""
    resolved: str = node.resolve_topic_name(name)
    return None if resolved == node.resolve_topic_name(name, only_expand=True) else resolved


TRANSPORTS = {
    "raw": ImageTransport(ImageMessage, "", read_raw_image),
    "compressed": ImageTransport(CompressedImage, "/compressed", read_compressed_image),
}


def camera_info_topic(node: Node, camera: str) -> str:
    """Return the topic of the intrinsics of a camera under the remap rules of a node.

    A rule for `<camera>/camera_info` has priority. Otherwise the topic is in the namespace of the
    images, as in image_transport.
    """
    info, images = f"{camera}/{INFO}", f"{camera}/{BASE}"
    resolved: str = node.resolve_topic_name(TRANSPORTS["raw"].topic(node, camera))
    default = resolved == node.resolve_topic_name(images, only_expand=True)
    if default or _remapped(node, info) is not None:
        return info
    return f"{resolved.rpartition('/')[0]}/{INFO}"


def transport_of(name: str) -> ImageTransport:
    """Return a transport by name.

    Raises:
        ConfigError: If it is unknown.
    """
    if name not in TRANSPORTS:
        raise ConfigError(f"image_transport is {name!r}, expected one of {', '.join(TRANSPORTS)}")
    return TRANSPORTS[name]
