"""Confidence intervals of success rates and mean returns."""

import numpy as np
import pytest

from dbp_ros.telemetry.confidence import bootstrap_interval, wilson_interval


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (1, 1, 0.2065, 1.0)],
)
def test_the_interval_of_a_rate_is_that_of_wilson(
    successes: int, count: int, low: float, high: float
) -> None:
    assert wilson_interval(successes, count) == pytest.approx((low, high), abs=1e-4)


def test_the_interval_of_a_mean_holds_in_nineteen_of_twenty_samples() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(3.0, 2.0, (200, 40))
    intervals = [bootstrap_interval(sample.tolist()) for sample in samples]
    covered = np.mean([low <= 3.0 <= high for low, high in intervals])
    assert 0.9 <= covered <= 0.98


def test_equal_values_have_an_interval_without_width() -> None:
    assert bootstrap_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)
