"""Images are read from serialised messages, and damaged ones are refused."""

import io
from array import array
from functools import partial

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PilImage
from rclpy.clock import Clock
from rclpy.node import Node
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from stamps import stamp_to_ns

from dbp_ros.errors import ConfigError, ObservationError
from dbp_ros.nodes.camera_images import TRANSPORTS, read_raw_image, transport_of
from dbp_ros.nodes.conversions import image_message
from dbp_ros.nodes.process import spinning
from dbp_ros.nodes.steady_clock import SteadyClock
from dbp_ros.sensing.image_decoding import ENCODINGS, decode_raw

RAW, COMPRESSED = TRANSPORTS["raw"], TRANSPORTS["compressed"]
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
STAMP = Time(sec=1_795_407_546, nanosec=697_302_768)


@pytest.fixture
def clock() -> SteadyClock:
    return SteadyClock(Clock())


def file_of(kind: str, image: np.ndarray = PIXELS) -> bytes:
    file = io.BytesIO()
    PilImage.fromarray(image).save(file, kind)
    return file.getvalue()


def compressed(data: bytes, words: str = "rgb8; png compressed bgr8") -> bytes:
    message = CompressedImage(format=words)
    message.header.stamp, message.header.frame_id = STAMP, "head_camera_optical_frame"
    message.data = array("B", data)
    return serialize_message(message)


@given(
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(0, 5),
    st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=9),
    st.sampled_from(ENCODINGS),
    st.integers(0, 1),
)
@settings(max_examples=200, deadline=None)
def test_a_serialized_message_is_read_as_the_message(
    height, pairs, padding, frame_id, encoding, is_bigendian
):
    width = 2 * pairs
    message = Image(height=height, width=width, encoding=encoding, step=8 * width + padding)
    message.header.frame_id, message.header.stamp = frame_id, STAMP
    message.is_bigendian = is_bigendian
    rng = np.random.default_rng(height)
    message.data = array("B", rng.integers(0, 256, height * message.step, np.uint8).tobytes())
    image, stamp_ns = read_raw_image(serialize_message(message))
    np.testing.assert_array_equal(image, decode_raw(message))
    assert stamp_ns == stamp_to_ns(STAMP)


def test_big_endian_messages_are_read():
    message = Image(height=1, width=1, encoding="rgb8", step=3, data=PIXELS[0, 0].tobytes())
    message.header.stamp = STAMP
    big = bytearray(serialize_message(message))
    big[1] = 0
    for begin in (4, 8, 12, 20, 24, 28, 40, 44):
        big[begin : begin + 4] = bytes(big[begin : begin + 4])[::-1]
    image, stamp_ns = read_raw_image(bytes(big))
    np.testing.assert_array_equal(image, PIXELS[:1, :1])
    assert stamp_ns == stamp_to_ns(STAMP)


def test_pixels_are_a_view_of_the_bytes():
    message = serialize_message(image_message(PIXELS, "head_camera", STAMP))
    image, _ = read_raw_image(message)
    assert np.shares_memory(image, np.frombuffer(message, np.uint8))


@given(st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_a_truncated_message_is_refused(length):
    whole = serialize_message(image_message(PIXELS, "head_camera", STAMP))
    with pytest.raises(ObservationError, match=r"cannot be read|encoding|bytes"):
        RAW.frame(whole[: min(length, len(whole) - 5)], SteadyClock(Clock()))


def test_an_unknown_encapsulation_is_refused_with_its_bytes(clock):
    with pytest.raises(ObservationError, match="begin with 0007, expected 0001"):
        RAW.frame(b"\x00\x07" + bytes(90), clock)


def test_a_lossless_file_is_decoded_exactly(clock):
    frame = COMPRESSED.frame(compressed(file_of("PNG")), clock)
    np.testing.assert_array_equal(frame.image, PIXELS)
    assert frame.stamp_ns - clock.offset_ns() == stamp_to_ns(STAMP)


def test_a_jpeg_is_decoded_approximately(clock):
    smooth = np.full((16, 16, 3), (200, 100, 40), np.uint8)
    frame = COMPRESSED.frame(compressed(file_of("JPEG", smooth), "jpeg"), clock)
    np.testing.assert_allclose(frame.image.astype(int), smooth, atol=4)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "of 0 bytes cannot be decoded"),
        (b"not an image", "cannot be decoded"),
        (file_of("PNG")[:60], "cannot be decoded"),
        (file_of("JPEG")[:40], "cannot be decoded"),
        (file_of("BMP"), "expected a JPEG or PNG file"),
        (file_of("PNG", np.zeros((2161, 3840, 3), np.uint8)), "it has 3840x2161 pixels"),
    ],
)
def test_an_invalid_image_file_is_refused_with_the_reason(data, reason, clock):
    with pytest.raises(ObservationError, match=reason):
        COMPRESSED.frame(compressed(data), clock)


BASE = "/camera/camera/color/image_raw"


@pytest.mark.parametrize(
    ("rules", "raw", "compressed"),
    [
        ([], "/cell_1/head_camera/image_raw", "/cell_1/head_camera/image_raw/compressed"),
        ([f"head_camera/image_raw:={BASE}"], BASE, f"{BASE}/compressed"),
        (["head_camera/image_raw:=/zed/rgb"], "/zed/rgb", "/zed/rgb/compressed"),
        (["head_camera/image_raw:=front"], "/cell_1/front", "/cell_1/front/compressed"),
        ([f"reader:head_camera/image_raw:={BASE}"], BASE, f"{BASE}/compressed"),
        ([f"head_camera:={BASE}"], BASE, f"{BASE}/compressed"),
        (
            [f"head_camera/image_raw:={BASE}", "head_camera/image_raw/compressed:=/jpeg"],
            BASE,
            "/jpeg",
        ),
        (
            ["head_camera/image_raw/compressed:=/jpeg"],
            "/cell_1/head_camera/image_raw",
            "/jpeg",
        ),
        (
            [
                "head_camera/image_raw:=left_camera/image_raw",
                "left_camera/image_raw:=head_camera/image_raw",
            ],
            "/cell_1/left_camera/image_raw",
            "/cell_1/left_camera/image_raw/compressed",
        ),
    ],
)
def test_the_remap_rule_of_the_base_topic_applies_to_raw_and_compressed_images(
    domain, rules, raw, compressed
):
    words = [word for rule in rules for word in ("-r", rule)]
    with spinning(
        partial(Node, "reader", namespace="cell_1", cli_args=["--ros-args", *words])
    ) as node:
        topics = [
            node.create_subscription(
                one.message_type, one.topic(node, "head_camera"), print, 1, raw=True
            ).topic_name
            for one in (RAW, COMPRESSED)
        ]
    assert topics == [raw, compressed]


def test_an_unknown_transport_is_an_error_with_the_known_ones():
    with pytest.raises(ConfigError, match="'theora', expected one of raw, compressed"):
        transport_of("theora")
