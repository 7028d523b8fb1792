"""Mode coverage of samples whose modes are known."""

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.mode_toys import (
    CAMERA,
    NOISE,
    POINTS,
    TOYS,
    ModeCoverage,
    ModesToy,
    draw,
    mode_coverage,
)

TWO, THREE = TOYS["two_routes"], TOYS["three_routes"]
CONDITION = np.linspace(-1, 1, 500, dtype=np.float32)
ROUTES = torch.from_numpy(TWO.routes(CONDITION)).flatten(2)


def samples(share: float, noise: float, off: float = 0.0) -> Tensor:
    """Return 100 samples per observation: on the first route, on the second, and midway."""
    counts = [round(100 * part) for part in ((1 - off) * share, (1 - off) * (1 - share), off)]
    on_each = torch.cat(
        [
            ROUTES[:, :1].expand(-1, counts[0], -1),
            ROUTES[:, 1:].expand(-1, counts[1], -1),
            ROUTES.mean(1, keepdim=True).expand(-1, counts[2], -1),
        ],
        dim=1,
    )
    return on_each + noise * torch.randn(on_each.shape, generator=torch.Generator().manual_seed(0))


def coverage_of(chunks: Tensor) -> ModeCoverage:
    return mode_coverage(chunks, ROUTES, TWO.shares)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.7, 1.0])
def test_the_share_of_the_first_route_is_counted(share: float) -> None:
    coverage = coverage_of(samples(share, NOISE))
    assert coverage.share_mode_1 == pytest.approx(share)
    assert coverage.share_error == pytest.approx(abs(share - 0.7), abs=1e-6)


@pytest.mark.parametrize("off", [0.0, 0.1, 0.5])
def test_samples_between_the_routes_are_on_neither(off: float) -> None:
    coverage = coverage_of(samples(0.5, NOISE, off))
    assert coverage.off_mode == pytest.approx(off, abs=0.011)
    assert coverage.within_mode_ratio == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("times", [0.5, 1.0, 1.5])
def test_the_distance_to_a_route_is_relative_to_the_demonstrations(times: float) -> None:
    ratio = coverage_of(samples(0.7, times * NOISE)).within_mode_ratio
    assert ratio == pytest.approx(times, rel=0.02)


def test_without_samples_on_a_route_the_ratio_is_nan() -> None:
    coverage = coverage_of(samples(0.5, NOISE, off=1.0))
    assert coverage.off_mode == 1.0
    assert np.isnan(coverage.within_mode_ratio)


@pytest.mark.parametrize("toy", [TWO, THREE])
def test_the_demonstrations_have_the_documented_mode_coverage(toy: ModesToy) -> None:
    data = toy.demonstrations(0)
    routes = torch.from_numpy(toy.routes(data.states[:, 0])).flatten(2)
    coverage = mode_coverage(torch.from_numpy(data.actions)[:, None], routes, toy.shares)
    assert coverage.share_error <= 0.02
    assert coverage.off_mode == 0.0
    assert coverage.within_mode_ratio == pytest.approx(1.0, abs=0.01)


def test_the_routes_never_meet_and_their_distance_grows_with_the_observation() -> None:
    first, second = TWO.routes(np.array([-1.0, 1.0], np.float32)).swapaxes(0, 1)
    distance = np.linalg.norm(first - second, axis=-1)
    assert distance.shape == (2, POINTS)
    assert distance.min() > 0.1
    assert (distance[1] > distance[0]).all()
    np.testing.assert_allclose(first[..., 1], -second[..., 1])


class MultimodalPolicy:
    """A policy with the mode shares and the noise of the demonstrations."""

    chunk_shape = (1, 2 * POINTS)

    def act(self, states: Tensor, features: dict[str, Tensor], latent: Tensor) -> Tensor:
        both = torch.from_numpy(TWO.routes(states[:, 0, 0].numpy())).flatten(2)
        first = latent[..., :1, :1] < torch.distributions.Normal(0, 1).icdf(torch.tensor(0.7))
        selected = torch.where(first, both[:, None, None, 0], both[:, None, None, 1])
        return selected + NOISE * latent.flip(-1)


class MeanPolicy(MultimodalPolicy):
    """A policy that predicts the mean of both routes, like regression."""

    def act(self, states: Tensor, features: dict[str, Tensor], latent: Tensor) -> Tensor:
        both = torch.from_numpy(TWO.routes(states[:, 0, 0].numpy())).flatten(2)
        return both.mean(1)[:, None, None].expand(latent.shape)


def test_a_policy_with_both_modes_has_the_coverage_of_the_demonstrations() -> None:
    coverage = TWO.evaluate(MultimodalPolicy(), seed=0)
    assert coverage.share_error <= 0.02
    assert coverage.off_mode == 0.0
    assert coverage.within_mode_ratio == pytest.approx(1.0, abs=0.02)


def test_a_policy_that_averages_is_on_neither_route() -> None:
    assert TWO.evaluate(MeanPolicy(), seed=0).off_mode == 1.0


def test_an_image_shows_the_condition_whatever_its_brightness() -> None:
    images = draw(np.array([-1.0, -1.0, 1.0, 1.0], np.float32), np.random.default_rng(0))
    blue = images[..., 2].astype(int) > images[..., 0]
    areas = blue.mean((1, 2))
    np.testing.assert_allclose(areas, np.pi * np.array([0.1, 0.1, 0.4, 0.4]) ** 2, atol=0.03)
    assert set(TOYS["two_routes_images"].demonstrations(0, 4).images) == {CAMERA}
