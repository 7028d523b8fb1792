"""Camera images: the topics they come on, and their pixels from the bytes of a message.

The bytes are read without building a message; see `wire`. Raw pixels are a view of them where the
encoding allows.
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

BASE = "image_raw"


@dataclass(slots=True)
class DecodedMessage:
    """The fields of an image message that are read; see `ImageFields`."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: memoryview


def read_raw_image(message: bytes) -> tuple[Image, int]:
    """Return pixels and stamp in [ns] of the bytes of a `sensor_msgs/msg/Image`."""
    reader = CdrReader(message)
    stamp_ns = reader.header()
    height, width = reader.numbers("II")
    encoding, is_bigendian = reader.text(), reader.byte()
    (step,) = reader.numbers("I")
    picture = DecodedMessage(height, width, encoding, is_bigendian, step, reader.data())
    return decode_raw(picture), stamp_ns


def read_compressed_image(message: bytes) -> tuple[Image, int]:
    """Return pixels and stamp in [ns] of the bytes of a `sensor_msgs/msg/CompressedImage`."""
    reader = CdrReader(message)
    stamp_ns = reader.header()
    described = reader.text()
    return decode_compressed(reader.data(), described), stamp_ns


@dataclass(frozen=True)
class ImageTransport:
    """How images come.

    Attributes:
        kind: Type of the messages, to be subscribed to with `raw=True`.
        suffix: What follows the base topic of a camera; empty for the base topic itself.
        read: Returns pixels and stamp in [ns].
    """

    kind: Any
    suffix: str
    read: Callable[[bytes], tuple[Image, int]]

    def topic(self, node: Node, camera: str) -> str:
        """Return the topic to subscribe to for a camera, by the remap rules of a node.

        A rule for the topic itself, `<camera>/image_raw/compressed` say, goes first. Otherwise the
        topic follows a rule for the base topic `<camera>/image_raw`, or for the plain `<camera>`,
        as that of image_transport does: the base topic by the rule, and then the suffix.
        """
        base = f"{camera}/{BASE}"
        own = base + self.suffix
        if _remapped(node, own) is None:
            for name in (base, camera):
                if (resolved := _remapped(node, name)) is not None:
                    return resolved + self.suffix
        return own

    def frame(self, message: bytes, clock: SteadyClock) -> Frame:
        """Return an image on the steady clock.

        Raises:
            ObservationError: If it cannot be read.
        """
        try:
            image, stamp_ns = self.read(message)
        except UNREADABLE as error:
            raise ObservationError(f"an image message cannot be read: {error}") from error
        return Frame(image, clock.steady_ns(stamp_ns))


def _remapped(node: Node, name: str) -> str | None:
    """Return the full name that a remap rule gives a topic, None where no rule matches."""
    resolved: str = node.resolve_topic_name(name)
    return None if resolved == node.resolve_topic_name(name, only_expand=True) else resolved


TRANSPORTS = {
    "raw": ImageTransport(ImageMessage, "", read_raw_image),
    "compressed": ImageTransport(CompressedImage, "/compressed", read_compressed_image),
}


def transport_of(name: str) -> ImageTransport:
    """Return a transport by its name.

    Raises:
        ConfigError: If it is unknown.
    """
    if name not in TRANSPORTS:
        raise ConfigError(f"image_transport is {name!r}, expected one of {', '.join(TRANSPORTS)}")
    return TRANSPORTS[name]
