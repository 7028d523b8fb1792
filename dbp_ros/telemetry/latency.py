"""Latency histograms of fixed size, and the statistics of a period.

Recording allocates nothing. There are 64 buckets for each power of two, so percentiles are exact
within 1/64 from 1 ns to hours; the maximum is exact.
"""

from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.types import NS_PER_S

SUB_BUCKETS = 64
SUB_BITS = SUB_BUCKETS.bit_length()
BUCKETS = SUB_BUCKETS * (64 - SUB_BITS) + 2 * SUB_BUCKETS
NS_PER_MS = 1e6


def bucket_of(value_ns: int) -> int:
    """Return the bucket of a duration."""
    shift = max(0, value_ns.bit_length() - SUB_BITS)
    return shift * SUB_BUCKETS + (value_ns >> shift)


def centre_of(bucket: int) -> float:
    """Return the duration in [ns] at the centre of a bucket."""
    if bucket < 2 * SUB_BUCKETS:
        return float(bucket)
    shift = bucket // SUB_BUCKETS - 1
    return (bucket - shift * SUB_BUCKETS + 0.5) * 2.0**shift


CENTRES_MS = np.array([centre_of(bucket) for bucket in range(BUCKETS)]) / NS_PER_MS


class Histogram:
    """Histogram of durations; negative ones count as zero."""

    def __init__(self) -> None:
        self._counts = array("q", bytes(8 * BUCKETS))
        self.count = 0
        self.max_ns = 0

    def record(self, value_ns: int) -> None:
        """Add a duration."""
        value_ns = max(0, value_ns)
        self._counts[bucket_of(value_ns)] += 1
        self.count += 1
        self.max_ns = max(self.max_ns, value_ns)

    def _snapshot(self) -> NDArray[np.int64]:
        """Return a copy of the counts, as another thread may record."""
        return np.array(self._counts, dtype=np.int64)

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile in [ms]; NaN without data."""
        return self._percentiles_ms(percent)[0]

    def _percentiles_ms(self, *percents: float) -> list[float]:
        if self.count == 0:
            return [float("nan")] * len(percents)
        cumulative = np.cumsum(self._snapshot())
        ranks = np.maximum(1, np.ceil(cumulative[-1] * np.array(percents) / 100.0))
        centres_ms = CENTRES_MS[np.searchsorted(cumulative, ranks)]
        found: list[float] = np.minimum(centres_ms, self.max_ns / NS_PER_MS).tolist()
        return found

    def summary_ms(self) -> dict[str, float | None]:
        """Return p50, p99, p999 and max in [ms]; None without data, as JSON has no NaN."""
        names = ("p50", "p99", "p999", "max")
        if self.count == 0:
            return dict.fromkeys(names)
        found = (*self._percentiles_ms(50, 99, 99.9), self.max_ns / NS_PER_MS)
        return {name: round(value, 4) for name, value in zip(names, found, strict=True)}

    def bars_ms(self) -> list[tuple[float, int]]:
        """Return centre in [ms] and count of each bucket that is not empty."""
        counts = self._snapshot()
        filled = np.flatnonzero(counts)
        centres_ms = CENTRES_MS[filled].round(6)
        return list(zip(centres_ms.tolist(), counts[filled].tolist(), strict=True))

    def clear(self) -> None:
        """Delete all data."""
        self._counts = array("q", bytes(8 * BUCKETS))
        self.count = 0
        self.max_ns = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """An interval between ticks that is too long, on the steady clock."""

    start_ns: int
    end_ns: int


class PeriodRecorder:
    """Statistics of a periodic event: period errors and gaps.

    Attributes:
        period_ns: Nominal period.
        errors: Absolute differences from the period.
        gaps: First gaps, as many as the recorder stores.
        gap_count: Number of gaps.
        early_count: Number of events that were triggered early.
    """

    MAX_GAPS = 5000

    def __init__(self, period_ns: int, gap_periods: float = 2.0, max_gaps: int = MAX_GAPS) -> None:
        """Start without data.

        Args:
            period_ns: Nominal period.
            gap_periods: An interval of more periods is a gap.
            max_gaps: Number of gaps to store; further ones are only counted.
        """
        self.period_ns, self._max_gaps = period_ns, max_gaps
        self._gap_ns = round(gap_periods * period_ns)
        self.errors = Histogram()
        self.gaps: list[Gap] = []
        self.gap_count = 0
        self.early_count = 0
        self._total_ns = 0
        self._last_ns = 0

    def record(self, now_ns: int, triggered: bool = False) -> None:
        """Record an event.

        Args:
            now_ns: Its time.
            triggered: Whether it was triggered before the period was over, which is not an error
                unless it is late nevertheless.
        """
        if self._last_ns:
            interval_ns = now_ns - self._last_ns
            self._total_ns += interval_ns
            if triggered and interval_ns <= self.period_ns:
                self.early_count += 1
            else:
                self.errors.record(abs(interval_ns - self.period_ns))
            if interval_ns > self._gap_ns:
                self.gap_count += 1
                if len(self.gaps) < self._max_gaps:
                    self.gaps.append(Gap(self._last_ns, now_ns))
        self._last_ns = now_ns

    def pause(self, now_ns: int | None = None) -> None:
        """Exclude the interval until the next event.

        Args:
            now_ns: Time of an event that was due and did not happen: a gap until then counts. None
                if no event was due.
        """
        if now_ns is not None and self._last_ns and now_ns - self._last_ns > self._gap_ns:
            self.record(now_ns)
        self._last_ns = 0

    @property
    def count(self) -> int:
        """Number of intervals."""
        return self.errors.count + self.early_count

    @property
    def active_s(self) -> float:
        """Total duration in [s] without pauses."""
        return self._total_ns / NS_PER_S

    @property
    def rate_hz(self) -> float:
        """Mean rate without pauses; 0 without data."""
        return self.count / self.active_s if self._total_ns else 0.0

    def statistics(self) -> dict[str, Any]:
        """Return all statistics, JSON-serialisable."""
        return {
            "period_ns": self.period_ns,
            "periods": self.count,
            "early": self.early_count,
            "active_s": round(self.active_s, 6),
            "rate_hz": round(self.rate_hz, 3),
            "period_error_ms": self.errors.summary_ms(),
            "gap_count": self.gap_count,
            "gaps": [[gap.start_ns, gap.end_ns] for gap in self.gaps],
            "period_error_bars": self.errors.bars_ms(),
        }

    def clear(self) -> None:
        """Delete all data."""
        self.errors.clear()
        self.gaps.clear()
        self.gap_count = self.early_count = 0
        self._total_ns = 0
        self._last_ns = 0
