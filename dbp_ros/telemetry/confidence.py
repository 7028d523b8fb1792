"""Confidence intervals of 95 % of success rates and mean returns."""

import math
from collections.abc import Sequence

import numpy as np

# Quantile of the normal distribution for 95 %.
Z = 1.959964
RESAMPLES = 10_000


def wilson_interval(successes: int, count: int) -> tuple[float, float]:
    """Return the score interval of a success rate (Wilson, 1927).

    It holds for few episodes and for rates of 0 and 1, where the normal approximation has no
    width.
    """
    rate, scale = successes / count, 1 + Z**2 / count
    centre = (rate + Z**2 / (2 * count)) / scale
    half = Z * math.sqrt(rate * (1 - rate) / count + Z**2 / (4 * count**2)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def success_line(name: str, successes: int, count: int) -> str:
    """Return the success rate of a task or environment with its interval, as a line of text."""
    low, high = (100 * end for end in wilson_interval(successes, count))
    return (
        f"{name}: {successes} of {count} episodes succeed "
        f"({100 * successes / count:.0f} %, 95 % interval {low:.0f} to {high:.0f} %)"
    )


def bootstrap_interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a mean."""
    samples = np.asarray(values, float)
    rows = np.random.default_rng(seed).integers(len(samples), size=(RESAMPLES, len(samples)))
    low, high = np.percentile(samples[rows].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
