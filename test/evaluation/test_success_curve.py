"""Falls of the success rate, and what chance explains of them."""

import numpy as np
import pytest

from dbp_ros.evaluation.success_curve import (
    fall_p_value,
    isotonic_fit,
    largest_fall,
    moving_success,
)


def test_success_is_averaged_over_full_windows_only() -> None:
    assert len(moving_success([True] * 19, 20)) == 0
    solved = [False, True] * 10 + [True] * 20
    np.testing.assert_allclose(moving_success(solved, 20)[[0, -1]], [0.5, 1.0])
    assert len(moving_success(solved, 20)) == 21


def test_the_fall_is_from_the_best_so_far() -> None:
    solved = [False] * 10 + [True] * 10 + [False] * 5 + [True] * 10
    assert largest_fall(solved, 10) == pytest.approx(0.5)
    assert largest_fall(sorted(solved), 10) == 0.0
    assert largest_fall([True, False], 10) == 0.0


def test_the_fit_pools_what_decreases() -> None:
    np.testing.assert_allclose(isotonic_fit(np.array([0.0, 1, 0, 1])), [0, 0.5, 0.5, 1])
    np.testing.assert_allclose(isotonic_fit(np.array([1.0, 1, 0, 0])), 0.5)
    values = np.random.default_rng(0).random(200)
    fit = isotonic_fit(values)
    assert (np.diff(fit) >= 0).all()
    assert fit.mean() == pytest.approx(values.mean())


def test_chance_explains_the_falls_of_a_policy_that_never_gets_worse() -> None:
    rng = np.random.default_rng(1)
    probability = np.minimum(0.5 + np.arange(900) / 1000, 0.9)
    values = [fall_p_value(list(rng.random(900) < probability), 50) for _ in range(20)]
    assert np.mean(np.array(values) < 0.05) <= 0.15


def test_chance_does_not_explain_a_collapse() -> None:
    rng = np.random.default_rng(1)
    probability = np.r_[np.full(300, 0.85), np.full(100, 0.3), np.full(300, 0.9)]
    solved = list(rng.random(700) < probability)
    assert largest_fall(solved, 50) > 0.4
    assert fall_p_value(solved, 50) < 0.01
