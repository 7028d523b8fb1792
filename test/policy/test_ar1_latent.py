"""The latent: standard normal at every step, and as slow as it is asked to be."""

import math

import numpy as np
import pytest

from dbp_ros.policy.ar1_latent import AR1Latent

SHAPE = (50, 40)


def walk(time_constant_s: float, steps: int, seed: int = 0) -> np.ndarray:
    latent = AR1Latent(SHAPE, time_constant_s)
    latent.reset(seed)
    return np.array([latent.advance_to(k * 8_000_000) for k in range(steps)])


def test_without_forgetting_every_step_is_the_first() -> None:
    values = walk(0.0, 5)
    assert (values == values[0]).all()


@pytest.mark.parametrize("time_constant_s", [0.0, 0.1, 1.0])
def test_every_step_is_standard_normal(time_constant_s: float) -> None:
    for value in walk(time_constant_s, 300)[[0, 100, 299]]:
        assert abs(value.mean()) < 5 / math.sqrt(value.size)
        assert abs(value.std() - 1) < 5 / math.sqrt(2 * value.size)


def test_a_latent_forgets_itself_in_its_memory() -> None:
    values = walk(0.4, 51).reshape(51, -1)
    correlation = np.corrcoef(values[0], values[50])[0, 1]
    assert abs(correlation - math.exp(-1)) < 0.1
    assert np.corrcoef(values[0], values[1])[0, 1] > 0.97


def test_a_seed_gives_the_same_walk_again_and_another_seed_another() -> None:
    np.testing.assert_array_equal(walk(0.4, 9, seed=1), walk(0.4, 9, seed=1))
    assert (walk(0.4, 9, seed=1) != walk(0.4, 9, seed=2)).any()


def test_a_negative_seed_draws_a_new_walk_each_time() -> None:
    assert (walk(0.4, 2, seed=-1) != walk(0.4, 2, seed=-1)).any()


def test_a_latent_walks_as_far_as_time_has_passed_however_often_it_is_asked() -> None:
    latent = AR1Latent(SHAPE, 0.4)
    latent.reset(0)
    first = latent.advance_to(10**12).ravel()
    soon = latent.advance_to(10**12 + 4_000_000).ravel()
    last = latent.advance_to(10**12 + 400_000_000).ravel()
    assert np.corrcoef(first, soon)[0, 1] > 0.985
    assert abs(np.corrcoef(first, last)[0, 1] - math.exp(-1)) < 0.1


def test_a_new_draw_is_decided_with_as_it_is() -> None:
    latent = AR1Latent(SHAPE, 0.4)
    latent.advance_to(10**12)
    latent.reset(5)
    drawn = latent.value.copy()
    np.testing.assert_array_equal(latent.advance_to(9 * 10**12), drawn)
