"""The latent is standard normal at every step and has the correlation of its time constant."""

import math

import numpy as np
import pytest

from dbp_ros.policy.ar1_latent import AR1Latent

SHAPE = (50, 40)


def sequence(time_constant_s: float, steps: int, seed: int = 0) -> np.ndarray:
    latent = AR1Latent(SHAPE, time_constant_s)
    latent.reset(seed)
    return np.array([latent.advance_to(k * 8_000_000) for k in range(steps)])


def test_a_latent_without_a_time_constant_is_constant() -> None:
    values = sequence(0.0, 5)
    assert (values == values[0]).all()


@pytest.mark.parametrize("time_constant_s", [0.0, 0.1, 1.0])
def test_every_step_is_standard_normal(time_constant_s: float) -> None:
    for value in sequence(time_constant_s, 300)[[0, 100, 299]]:
        assert abs(value.mean()) < 5 / math.sqrt(value.size)
        assert abs(value.std() - 1) < 5 / math.sqrt(2 * value.size)


def test_the_correlation_decays_with_the_time_constant() -> None:
    values = sequence(0.4, 51).reshape(51, -1)
    correlation = np.corrcoef(values[0], values[50])[0, 1]
    assert abs(correlation - math.exp(-1)) < 0.1
    assert np.corrcoef(values[0], values[1])[0, 1] > 0.97


def test_a_seed_determines_the_latent() -> None:
    np.testing.assert_array_equal(sequence(0.4, 9, seed=1), sequence(0.4, 9, seed=1))
    assert (sequence(0.4, 9, seed=1) != sequence(0.4, 9, seed=2)).any()


def test_a_negative_seed_is_unpredictable() -> None:
    assert (sequence(0.4, 2, seed=-1) != sequence(0.4, 2, seed=-1)).any()


def test_the_correlation_depends_on_time_and_not_on_the_number_of_steps() -> None:
    latent = AR1Latent(SHAPE, 0.4)
    latent.reset(0)
    first = latent.advance_to(10**12).ravel()
    soon = latent.advance_to(10**12 + 4_000_000).ravel()
    last = latent.advance_to(10**12 + 400_000_000).ravel()
    assert np.corrcoef(first, soon)[0, 1] > 0.985
    assert abs(np.corrcoef(first, last)[0, 1] - math.exp(-1)) < 0.1


def test_the_first_step_after_a_reset_returns_the_initial_sample() -> None:
    latent = AR1Latent(SHAPE, 0.4)
    latent.advance_to(10**12)
    latent.reset(5)
    drawn = latent.value.copy()
    np.testing.assert_array_equal(latent.advance_to(9 * 10**12), drawn)


def test_rows_of_a_batch_are_resampled_or_keep_the_correlation() -> None:
    everywhere, second = np.array([True, True]), np.array([False, True])
    constant = AR1Latent((2, 4, 2), time_constant_s=0.0)
    one = constant.advance(0.3, everywhere)
    two = constant.advance(0.3, second)
    assert np.array_equal(one[0], two[0])
    assert not np.array_equal(one[1], two[1])
    correlated = AR1Latent((4000, 4, 2), time_constant_s=0.3)
    correlated.reset(0)
    one, two = correlated.advance(0.3), correlated.advance(0.3)
    assert abs(float((one * two).mean()) - np.exp(-1.0)) <= 0.03
    assert abs(float(two.std()) - 1.0) <= 0.02


def test_a_restored_state_continues_the_sequence() -> None:
    latent, restored = AR1Latent(SHAPE, 0.4), AR1Latent(SHAPE, 0.4)
    latent.advance(0.1)
    restored.load_state_dict(latent.state_dict())
    np.testing.assert_array_equal(restored.value, latent.value)
    np.testing.assert_array_equal(restored.advance(0.1), latent.advance(0.1))
