"""Success over the episodes of an online training run, and whether it fell."""

from collections.abc import Sequence

import numpy as np

from dbp_ros.types import Array

# Runs that are drawn for a p-value, and their seed.
DRAWS = 2000
SEED = 0


def moving_success(solved: Sequence[bool], window: int) -> Array:
    """Return the success rate over each full window. Shape (max(0, episodes - window + 1),)."""
    if len(solved) < window:
        return np.zeros(0)
    rates: Array = _moving_mean(np.array(solved, float)[None], window)[0]
    return rates


def largest_fall(solved: Sequence[bool], window: int) -> float:
    """Return the largest fall of the moving success rate below its best so far."""
    if len(solved) < window:
        return 0.0
    return float(_largest_falls(np.array(solved, float)[None], window)[0])


def fall_p_value(solved: Sequence[bool], window: int) -> float:
    """Return the probability of so large a fall if success never gets less likely.

    The rate of a window of 50 episodes at a constant success probability of 0.85 has a standard
    deviation of 0.05, so it falls by more than 0.15 in nearly every run of 900 episodes. The null
    hypothesis is the likeliest success probability that never decreases (isotonic regression), from
    which runs are drawn.
    """
    if len(solved) < window:
        return 1.0
    probability = isotonic_fit(np.array(solved, float))
    rng = np.random.default_rng(SEED)
    drawn = (rng.random((DRAWS, len(solved))) < probability).astype(float)
    falls = _largest_falls(drawn, window)
    return float(np.mean(falls >= largest_fall(solved, window) - 1e-9))


def isotonic_fit(values: Array) -> Array:
    """Return the nearest sequence that never decreases, by pooling adjacent violators.

    It is also the maximum likelihood estimate of the probabilities of 0 and 1. Shape (n,) to (n,).
    """
    means: list[float] = []
    counts: list[int] = []
    for value in values.tolist():
        means.append(value)
        counts.append(1)
        while len(means) > 1 and means[-2] >= means[-1]:
            mean, count = means.pop(), counts.pop()
            total = counts[-1] + count
            means[-1] = (means[-1] * counts[-1] + mean * count) / total
            counts[-1] = total
    return np.repeat(means, counts)


def _moving_mean(rows: Array, window: int) -> Array:
    sums = np.cumsum(np.pad(rows, ((0, 0), (1, 0))), axis=1)
    means: Array = (sums[:, window:] - sums[:, :-window]) / window
    return means


def _largest_falls(rows: Array, window: int) -> Array:
    rates = _moving_mean(rows, window)
    falls: Array = (np.maximum.accumulate(rates, axis=1) - rates).max(axis=1)
    return falls
