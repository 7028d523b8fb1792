"""Samples of two routes whose modes are known, and what they are judged as."""

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.two_routes import (
    FIRST_SHARE,
    NOISE,
    POINTS,
    demonstrations,
    judge,
    modes_of,
    routes,
)

CONDITION = np.linspace(-1, 1, 500, dtype=np.float32)
WAYS = torch.from_numpy(routes(CONDITION)).flatten(2)


def samples(share: float, noise: float, off: float = 0.0) -> Tensor:
    """Return 100 samples a condition: on the first route, on the second, and midway."""
    counts = [round(100 * part) for part in ((1 - off) * share, (1 - off) * (1 - share), off)]
    on_each = torch.cat(
        [
            WAYS[:, :1].expand(-1, counts[0], -1),
            WAYS[:, 1:].expand(-1, counts[1], -1),
            WAYS.mean(1, keepdim=True).expand(-1, counts[2], -1),
        ],
        dim=1,
    )
    return on_each + noise * torch.randn(on_each.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.7, 1.0])
def test_the_share_of_the_first_route_is_counted(share: float) -> None:
    assert modes_of(samples(share, NOISE), WAYS).share_mode_1 == pytest.approx(share)


@pytest.mark.parametrize("off", [0.0, 0.1, 0.5])
def test_samples_between_the_routes_are_on_neither(off: float) -> None:
    judged = modes_of(samples(0.5, NOISE, off), WAYS)
    assert judged.off_mode == pytest.approx(off, abs=0.011)
    assert judged.within_mode_ratio == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("times", [0.5, 1.0, 1.5])
def test_the_spread_on_a_route_is_in_units_of_the_demonstrations(times: float) -> None:
    ratio = modes_of(samples(0.7, times * NOISE), WAYS).within_mode_ratio
    assert ratio == pytest.approx(times, rel=0.02)


def test_samples_that_are_all_between_the_routes_have_no_spread_on_one() -> None:
    judged = modes_of(samples(0.5, NOISE, off=1.0), WAYS)
    assert judged.off_mode == 1.0
    assert np.isnan(judged.within_mode_ratio)


def test_the_demonstrations_themselves_are_as_they_are_said_to_be() -> None:
    shown = demonstrations(0)
    ways = torch.from_numpy(routes(shown.states[:, 0])).flatten(2)
    judged = modes_of(torch.from_numpy(shown.actions)[:, None], ways)
    assert judged.share_mode_1 == pytest.approx(FIRST_SHARE, abs=0.02)
    assert judged.off_mode == 0.0
    assert judged.within_mode_ratio == pytest.approx(1.0, abs=0.01)


def test_the_routes_meet_nowhere_and_part_the_more_the_larger_the_condition() -> None:
    first, second = routes(np.array([-1.0, 1.0], np.float32)).swapaxes(0, 1)
    apart = np.linalg.norm(first - second, axis=-1)
    assert apart.shape == (2, POINTS)
    assert apart.min() > 0.1
    assert (apart[1] > apart[0]).all()
    np.testing.assert_allclose(first[..., 1], -second[..., 1])


class Chooser:
    """Takes the first route for seven latents in ten, with the noise of the demonstrations."""

    chunk_shape = (1, 2 * POINTS)

    def act(self, states: Tensor, features: dict[str, Tensor], latent: Tensor) -> Tensor:
        ways = torch.from_numpy(routes(states[:, 0, 0].numpy())).flatten(2)
        first = latent[..., :1, :1] < torch.distributions.Normal(0, 1).icdf(torch.tensor(0.7))
        chosen = torch.where(first, ways[:, None, None, 0], ways[:, None, None, 1])
        return chosen + NOISE * latent.flip(-1)


class Averager(Chooser):
    """Says the mean of both routes, as regression does."""

    def act(self, states: Tensor, features: dict[str, Tensor], latent: Tensor) -> Tensor:
        ways = torch.from_numpy(routes(states[:, 0, 0].numpy())).flatten(2)
        return ways.mean(1)[:, None, None].expand(latent.shape)


def test_a_policy_that_chooses_as_the_demonstrations_do_is_judged_like_them() -> None:
    judged = judge(Chooser(), seed=0)
    assert judged.share_mode_1 == pytest.approx(FIRST_SHARE, abs=0.02)
    assert judged.off_mode == 0.0
    assert judged.within_mode_ratio == pytest.approx(1.0, abs=0.02)


def test_a_policy_that_averages_is_on_neither_route() -> None:
    assert judge(Averager(), seed=0).off_mode == 1.0
