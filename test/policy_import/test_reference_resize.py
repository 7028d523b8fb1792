"""The reference of the resize agrees with an image library and with numbers by hand."""

import numpy as np
import PIL.Image
import pytest

from dbp_ros.policy_import.reference_resize import resize
from dbp_ros.settings.policy_mapping import ImageInput

RAMP = np.arange(4, dtype=np.uint8)[None, :, None].repeat(2, axis=0).repeat(3, axis=2) * 10


def row(image: np.ndarray) -> list[float]:
    return image[0, :, 0].tolist()


def test_the_antialias_filter_is_that_of_pillow() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    for size in ((12, 16), (60, 33)):
        settings = ImageInput(camera="top", interpolation="linear_antialias")
        shown = PIL.Image.fromarray(image).resize(size[::-1], PIL.Image.Resampling.BILINEAR)
        # Pillow rounds after each axis.
        np.testing.assert_allclose(resize(image, settings, size), np.asarray(shown), atol=1.01)


def test_linear_interpolation_takes_the_two_nearest_pixels() -> None:
    settings = ImageInput(camera="top")
    assert row(resize(RAMP, settings, (2, 2))) == [5, 25]
    assert row(resize(RAMP, settings, (2, 8))) == [0, 2.5, 7.5, 12.5, 17.5, 22.5, 27.5, 30]


@pytest.mark.parametrize(
    ("fit", "size", "expected"),
    [
        ("pad", (2, 6), [0, 0, 10, 20, 30, 0]),
        ("pad", (2, 5), [0, 10, 20, 30, 0]),
        ("crop", (2, 2), [10, 20]),
        ("crop", (2, 3), [0, 10, 20]),
    ],
)
def test_an_image_is_centred(fit: str, size: tuple[int, int], expected: list[float]) -> None:
    assert row(resize(RAMP, ImageInput(camera="top", fit=fit), size)) == expected
