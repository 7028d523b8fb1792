"""Images reduced for training equal those of the graph of an exported encoder."""

import numpy as np
import pytest
import torch
from torch.nn import functional
from toy_episodes import episode

from dbp_ros.data.episode import episode_path, write_episode
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.selection import Selection
from dbp_ros.errors import ConfigError, EpisodeError
from dbp_ros.sensing.image_size import resize


@pytest.mark.parametrize("size", [(24, 32), (17, 40), (48, 64), (100, 90)])
def test_images_are_resized_as_by_the_graph_of_an_encoder(size):
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    expected = functional.interpolate(pixels, size, mode="bilinear", align_corners=False)
    found = resize(image, size)
    assert found.dtype == np.uint8
    difference = found - expected[0].permute(1, 2, 0).numpy()
    assert np.abs(difference).max() <= 0.501


def test_only_the_images_of_an_episode_change(tmp_path):
    one = episode(0)
    write_episode(episode_path(tmp_path, 0), one)
    small = open_episodes(tmp_path, Selection(image_size=(12, 16))).read(0)
    assert {images.shape for images in small.images.values()} == {(len(one), 12, 16, 3)}
    np.testing.assert_array_equal(small.states, one.states)


@pytest.mark.parametrize("size", [(4, 32), (), (24,), (24, 32, 3)])
def test_an_impossible_size_is_refused(size):
    with pytest.raises((ConfigError, EpisodeError), match="image_size"):
        Selection(image_size=size)
