"""A small picture enlarged shows the same."""

import numpy as np
import pytest

from dbp_ros.sim.upscaling import Upscaler

PICTURE = np.random.default_rng(0).integers(0, 256, (84, 84, 3), np.uint8)


def test_at_its_own_size_it_is_the_picture_itself():
    assert Upscaler((84, 84), (84, 84))(PICTURE) is PICTURE


def test_every_pixel_is_repeated_in_its_place():
    large = Upscaler((84, 84), (168, 252))(PICTURE)
    np.testing.assert_array_equal(large, PICTURE.repeat(2, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize("size", [(480, 640), (85, 84)])
def test_any_size_can_be_had_and_holds_no_pixel_that_was_not_there(size):
    large = Upscaler((84, 84), size)(PICTURE)
    assert large.shape == (*size, 3)
    np.testing.assert_array_equal(large[[0, -1]][:, [0, -1]], PICTURE[[0, -1]][:, [0, -1]])
