"""Enlargement of small images."""

import numpy as np
import pytest

from dbp_ros.sim.upscaling import Upscaler

IMAGE = np.random.default_rng(0).integers(0, 256, (84, 84, 3), np.uint8)


def test_an_image_of_the_published_size_is_returned_unchanged():
    assert Upscaler((84, 84), (84, 84))(IMAGE) is IMAGE


def test_every_pixel_is_repeated():
    large = Upscaler((84, 84), (168, 252))(IMAGE)
    np.testing.assert_array_equal(large, IMAGE.repeat(2, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize("size", [(480, 640), (85, 84)])
def test_any_size_is_supported(size):
    large = Upscaler((84, 84), size)(IMAGE)
    assert large.shape == (*size, 3)
    np.testing.assert_array_equal(large[[0, -1]][:, [0, -1]], IMAGE[[0, -1]][:, [0, -1]])
