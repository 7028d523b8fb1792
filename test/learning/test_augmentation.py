"""Image augmentation stays within its configured ranges."""

from dataclasses import replace

import pytest
import torch
from toy_episodes import episode
from toy_training import CONFIG

from dbp_ros.learning.augmentation import Augmentation
from dbp_ros.learning.batch_sampler import BatchSampler
from dbp_ros.learning.dataset import join_episodes
from dbp_ros.learning.policy_network import PolicyNetwork, PolicyShape
from dbp_ros.learning.training_data import TrainingData

HEIGHT, WIDTH = 12, 16
NOTHING = Augmentation(crop=1.0, shift_px=0, brightness=0.0, contrast=0.0, pixel_noise=0.0)
# The first two channels encode row and column.
IMAGE = torch.stack(
    [
        torch.arange(HEIGHT)[:, None].expand(HEIGHT, WIDTH),
        torch.arange(WIDTH).expand(HEIGHT, WIDTH),
        torch.full((HEIGHT, WIDTH), 100),
    ],
    dim=-1,
).to(torch.uint8)


def augmented(augmentation: Augmentation, count: int = 200, seed: int = 0) -> torch.Tensor:
    """Return many augmentations of one image. Shape (count, 3, height, width)."""
    generator = torch.Generator().manual_seed(seed)
    images = IMAGE.expand(count, -1, -1, -1)
    return augmentation(images, generator, slice(0, count), count)


def test_without_augmentation_an_image_is_unchanged() -> None:
    assert torch.equal(augmented(NOTHING)[7], IMAGE.permute(2, 0, 1).float())


def test_random_crops_cover_every_window_of_the_image() -> None:
    crops = augmented(replace(NOTHING, crop=0.75))
    assert crops.shape == (200, 3, 9, 12)
    corners = set()
    for crop in crops:
        down, across = int(crop[0, 0, 0]), int(crop[1, 0, 0])
        window = IMAGE[down : down + 9, across : across + 12]
        assert torch.equal(crop, window.permute(2, 0, 1).float())
        corners.add((down, across))
    assert corners == {(down, across) for down in range(4) for across in range(5)}


def test_a_shift_repeats_the_border() -> None:
    shifted = augmented(replace(NOTHING, shift_px=2))
    assert shifted.shape == (200, 3, HEIGHT, WIDTH)
    assert {int(one[0, 5, 0]) for one in shifted} == {3, 4, 5, 6, 7}
    furthest = shifted[shifted[:, 0, 5, 0] == 3][0]
    assert furthest[0, :4, 0].tolist() == [0, 0, 0, 1]


def test_brightness_and_contrast_are_uniform_over_an_image_and_bounded() -> None:
    bright = augmented(replace(NOTHING, brightness=0.1))
    offset = bright - augmented(NOTHING)
    assert torch.allclose(offset, offset[:, :1, :1, :1].expand_as(offset), atol=1e-4)
    assert 20.0 < offset.abs().max() <= 25.5
    contrasted = augmented(replace(NOTHING, contrast=0.2)) - 127.5
    gain = contrasted / (augmented(NOTHING) - 127.5)
    assert 0.8 - 1e-5 <= gain.min() < 0.85
    assert 1.15 < gain.max() <= 1.2 + 1e-5


def test_noise_has_the_configured_standard_deviation() -> None:
    noise = augmented(replace(NOTHING, pixel_noise=4.0)) - augmented(NOTHING)
    assert float(noise.std()) == pytest.approx(4.0, rel=0.05)


def test_rows_of_a_batch_are_augmented_as_in_the_whole_batch() -> None:
    augmentation = Augmentation(0.75, 1, 0.1, 0.2, 4.0)
    generator = torch.Generator().manual_seed(0)
    part = augmentation(IMAGE.expand(5, -1, -1, -1), generator, slice(3, 8), 200)
    assert torch.equal(part, augmented(augmentation)[3:8])


def test_training_crops_at_random_and_deployment_at_the_centre() -> None:
    config = replace(CONFIG, crop=0.75, brightness=0.0, contrast=0.0, pixel_noise=0.0)
    data = join_episodes((episode(index), str(index)) for index in range(2))
    policy = PolicyNetwork(PolicyShape.of(data, config), config)
    sampler = BatchSampler(config, data, TrainingData.of(config, data))
    images = sampler.sample(1, slice(0, config.batch_size)).batch.images["head"]
    assert images.shape == (config.batch_size, 1, 3, 18, 24)
    image = torch.from_numpy(data.images["head"][:1]).permute(0, 3, 1, 2).float()
    centre = image[:, :, 3:21, 4:28]
    encoder = policy.encoder("head").eval()
    torch.testing.assert_close(encoder(image), encoder(centre), rtol=0, atol=1e-6)
