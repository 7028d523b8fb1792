"""Images of all supported encodings become rgb8; others are refused."""

import io
import struct
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbp_ros.errors import ObservationError
from dbp_ros.sensing.image_decoding import ENCODINGS, decode_compressed, decode_image, decode_raw

HEIGHT, WIDTH = 4, 6
COLOURS = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
GREY = np.repeat(COLOURS[:, :, :1], 3, axis=2)
# The letters of a pixel: red, green, blue, alpha, or grey.
ORDERS = {
    "rgb8": "rgb",
    "bgr8": "bgr",
    "rgba8": "rgba",
    "bgra8": "bgra",
    "mono8": "g",
    "8UC1": "g",
    "8UC3": "bgr",
    "8UC4": "bgra",
}
WIDE_ORDERS = {"rgb16": "rgb", "bgr16": "bgr", "rgba16": "rgba", "bgra16": "bgra", "mono16": "g"}


def values_of(order, y, x):
    """Return the values of a pixel, in the order of its letters."""
    red, green, blue = map(int, COLOURS[y, x])
    found = {"r": red, "g": red if order == "g" else green, "b": blue, "a": 7 * x}
    return [found[letter] for letter in order]


def message_of(encoding, rows, width=WIDTH, padding=0, is_bigendian=0):
    """Return an image message with these rows of bytes, each padded."""
    return SimpleNamespace(
        height=len(rows),
        width=width,
        encoding=encoding,
        is_bigendian=is_bigendian,
        step=len(rows[0]) + padding,
        data=b"".join(row + bytes([99] * padding) for row in rows),
    )


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("encoding", ORDERS)
def test_alpha_is_dropped_and_grey_repeated_in_any_channel_order(encoding, padding):
    order = ORDERS[encoding]
    rows = [bytes(v for x in range(WIDTH) for v in values_of(order, y, x)) for y in range(HEIGHT)]
    image = decode_raw(message_of(encoding, rows, padding=padding))
    np.testing.assert_array_equal(image, GREY if order == "g" else COLOURS)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous


@pytest.mark.parametrize("is_bigendian", [0, 1])
@pytest.mark.parametrize("encoding", WIDE_ORDERS)
def test_16_bit_values_keep_their_upper_byte_in_either_byte_order(encoding, is_bigendian):
    order, kind = WIDE_ORDERS[encoding], ">H" if is_bigendian else "<H"
    rows = [
        b"".join(
            struct.pack(kind, 256 * value + 250 - value)
            for x in range(WIDTH)
            for value in (min(v, 250) for v in values_of(order, y, x))
        )
        for y in range(HEIGHT)
    ]
    image = decode_raw(message_of(encoding, rows, padding=3, is_bigendian=is_bigendian))
    np.testing.assert_array_equal(image, np.minimum(GREY if order == "g" else COLOURS, 250))


@pytest.mark.parametrize(
    ("yuv", "rgb"),
    [
        ((16, 128, 128), (0, 0, 0)),
        ((235, 128, 128), (255, 255, 255)),
        ((126, 128, 128), (128, 128, 128)),
        ((81, 90, 240), (254, 0, 0)),
        ((145, 54, 34), (0, 255, 1)),
        ((41, 240, 110), (0, 0, 255)),
        ((0, 128, 128), (0, 0, 0)),
        ((255, 255, 255), (255, 125, 255)),
    ],
)
@pytest.mark.parametrize("encoding", ["uyvy", "yuv422", "yuyv", "yuv422_yuy2"])
def test_yuv_is_converted_by_bt_601(encoding, yuv, rgb):
    y, u, v = yuv
    pair = bytes((u, y, v, y) if encoding in ("uyvy", "yuv422") else (y, u, y, v))
    image = decode_raw(message_of(encoding, [pair * (WIDTH // 2)] * HEIGHT, padding=2))
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(image.astype(int) - rgb).max() <= 1


def test_two_yuv_pixels_share_their_colour_but_not_their_luma():
    image = decode_raw(message_of("yuyv", [bytes((16, 128, 235, 128))], width=2))
    assert image.tolist() == [[[0, 0, 0], [255, 255, 255]]]


@pytest.mark.parametrize(
    ("encoding", "reason"),
    [
        ("16UC1", "images are 16UC1, a depth image: remap the camera to its colour topic"),
        ("32FC1", "images are 32FC1, a depth image"),
        ("bayer_rggb8", "not yet in colour: remap the camera to the colour topic of image_proc"),
        ("nv12", r"images are nv12, expected one of rgb8, bgr8, .*: set the driver to rgb8"),
        ("RGB8", "images are RGB8, expected one of rgb8"),
        ("8SC3", "images are 8SC3, expected one of"),
        ("", "images are without an encoding, expected one of"),
    ],
)
def test_an_image_without_colour_is_refused_with_a_fix(encoding, reason):
    with pytest.raises(ObservationError, match=reason):
        decode_raw(message_of(encoding, [bytes(WIDTH * 8)] * HEIGHT))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_data_shorter_than_the_rows_are_refused_with_both_numbers(encoding):
    message = message_of(encoding, [bytes(WIDTH * 8)] * HEIGHT)
    message.data = message.data[:-1]
    with pytest.raises(ObservationError, match="48 bytes a row has 191 bytes, expected 192"):
        decode_raw(message)


def test_an_odd_width_of_yuv_is_refused():
    with pytest.raises(ObservationError, match="an image of yuyv is 3 wide, expected even"):
        decode_raw(message_of("yuyv", [bytes(6)], width=3))


def file_of(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def colours():
    return PIL.Image.fromarray(COLOURS)


def with_alpha(mode="RGBA"):
    image = colours().convert(mode)
    image.putalpha(PIL.Image.fromarray(np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(4, 6)))
    return image


def palette():
    return colours().quantize(256)


GREY_WIDE = COLOURS[:, :, 0].astype(np.uint16) * 256 + 17
FILES = {
    "PNG with alpha": (file_of(with_alpha()), COLOURS),
    "grey PNG": (file_of(PIL.Image.fromarray(COLOURS[:, :, 0])), GREY),
    "grey PNG with alpha": (
        file_of(with_alpha("L")),
        np.repeat(np.asarray(colours().convert("L"))[:, :, None], 3, axis=2),
    ),
    "grey PNG with a transparent value": (
        file_of(PIL.Image.fromarray(COLOURS[:, :, 0]), transparency=int(COLOURS[1, 1, 0])),
        GREY,
    ),
    "16-bit grey PNG": (file_of(PIL.Image.fromarray(GREY_WIDE)), GREY),
    "palette PNG": (file_of(palette()), np.asarray(palette().convert("RGB"))),
    "palette PNG with transparent entries": (
        file_of(palette(), transparency=bytes([0, 100, 255])),
        np.asarray(palette().convert("RGB")),
    ),
    "black and white PNG": (
        file_of(PIL.Image.fromarray(COLOURS[:, :, 0] > 127)),
        np.where(GREY > 127, 255, 0),
    ),
    "PNG with a transparent colour": (
        file_of(colours(), transparency=tuple(map(int, COLOURS[0, 0]))),
        COLOURS,
    ),
    "WebP": (file_of(colours(), "WEBP", lossless=True), COLOURS),
    "WebP with alpha": (file_of(with_alpha(), "WEBP", lossless=True, exact=True), COLOURS),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", FILES)
def test_files_in_any_colour_space_become_rgb8(name):
    data, expected = FILES[name]
    image = decode_compressed(memoryview(data), "png")
    np.testing.assert_array_equal(image, expected)
    assert image.dtype == np.uint8
    assert image.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_files_of_any_colours_are_decoded_approximately(mode):
    plain = PIL.Image.new("RGB", (16, 16), (90, 90, 90) if mode == "L" else (200, 100, 40))
    image = decode_compressed(file_of(plain.convert(mode), "JPEG"), f"{mode}; jpeg compressed ")
    np.testing.assert_allclose(image.astype(int), np.asarray(plain), atol=4)


@pytest.mark.parametrize(
    "described", ["16UC1; compressedDepth png", "32FC1; compressedDepth", "16UC1; png compressed "]
)
def test_a_compressed_depth_image_is_refused_with_what_to_publish_instead(described):
    reason = "is a depth image: remap the camera to its colour topic, compressed as JPEG or PNG"
    with pytest.raises(ObservationError, match=reason):
        decode_compressed(file_of(PIL.Image.fromarray(GREY_WIDE)), described)


@given(
    st.sampled_from([*FILES, "JPEG"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
)
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_is_decoded_or_refused_and_raises_nothing_else(name, changes):
    data = bytearray(FILES[name][0] if name in FILES else file_of(colours(), "JPEG"))
    for place, value in changes:
        data[min(int(place * len(data)), len(data) - 1)] = value
    with suppress(ObservationError):
        image = decode_compressed(bytes(data), "")
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3


def test_a_recorded_message_is_decoded_as_the_live_one():
    raw = message_of("bgra8", [bytes([1, 2, 3, 4]) * WIDTH] * HEIGHT)
    file = SimpleNamespace(format="bgra8; png compressed bgr8", data=FILES["PNG with alpha"][0])
    assert decode_image(raw)[0, 0].tolist() == [3, 2, 1]
    np.testing.assert_array_equal(decode_image(file), COLOURS)
