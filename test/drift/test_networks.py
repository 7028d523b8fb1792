"""Generators and encoders."""

import pytest
import torch

from dbp_ros.drift.networks import Generator, KeypointEncoder, slow_waves, spatial_softmax


def test_spatial_softmax_finds_a_peak_between_pixels() -> None:
    maps = torch.full((1, 1, 21, 21), -50.0)
    maps[0, 0, 5, 10] = maps[0, 0, 5, 11] = 50.0
    across, down = spatial_softmax(maps)[0]
    assert across.item() == pytest.approx(0.05, abs=1e-6)
    assert down.item() == pytest.approx(-0.5, abs=1e-6)


def test_encoder_keeps_a_quarter_of_the_resolution() -> None:
    encoder = KeypointEncoder((8, 8, 8, 8), 4)
    assert encoder.layers(torch.zeros(1, 3, 84, 84)).shape == (1, 8, 21, 21)
    assert encoder(torch.zeros(2, 3, 84, 84)).shape == (2, encoder.feature_size)


@pytest.mark.parametrize("waves", [1, 3, 8])
def test_generator_starts_spread_over_half_of_the_range(waves: int) -> None:
    torch.manual_seed(0)
    net = Generator(5, 8, 4, width=16, latent_width=16, latent_waves=waves)
    chunk = net(torch.randn(4, 5), torch.randn(4, 500, 8, 4)).detach()
    assert 0.4 <= chunk.std(1).mean() <= 0.8


def test_all_waves_pass_the_whole_latent() -> None:
    waves = slow_waves(8, 8)
    torch.testing.assert_close(waves @ waves.T, torch.eye(8), atol=1e-6, rtol=0)
