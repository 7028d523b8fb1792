"""Histograms have percentiles and the maximum; period recorders have gaps."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbp_ros.telemetry.latency import Gap, Histogram, PeriodRecorder

HOUR_NS = 3_600_000_000_000
MS = 1_000_000


def filled(values):
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(
    st.lists(st.integers(0, HOUR_NS) | st.integers(0, 1000), min_size=1, max_size=200),
    st.sampled_from([1.0, 25.0, 50.0, 75.0, 100.0]),
)
def test_percentiles_are_exact_within_a_64th(values, percent):
    expected_ns = np.percentile(values, percent, method="inverted_cdf")
    found_ns = filled(values).percentile_ms(percent) * MS
    assert found_ns == pytest.approx(expected_ns, rel=1 / 64, abs=1e-6)


def test_rare_percentiles_are_exact_within_a_64th():
    values = np.random.default_rng(0).lognormal(11.0, 1.5, 20_000).astype(int).tolist()
    for percent in (99.0, 99.9):
        expected_ns = np.percentile(values, percent, method="inverted_cdf")
        assert filled(values).percentile_ms(percent) * MS == pytest.approx(expected_ns, rel=1 / 64)


def test_the_maximum_is_exact_and_no_percentile_exceeds_it():
    histogram = filled([1, 2, 123_456_789])
    assert histogram.summary_ms()["max"] == 123.4568
    assert histogram.percentile_ms(100) <= 123.456789


def test_without_data_there_are_no_percentiles():
    assert np.isnan(Histogram().percentile_ms(50))
    assert Histogram().summary_ms() == {"p50": None, "p99": None, "p999": None, "max": None}


def test_negative_durations_count_as_zero():
    histogram = filled([-5, -5])
    assert (histogram.count, histogram.max_ns, histogram.percentile_ms(99)) == (2, 0, 0.0)


def test_the_longest_durations_have_a_bucket():
    assert filled([2**63 - 1]).percentile_ms(50) * MS == pytest.approx(2**63, rel=1 / 64)


def test_bars_contain_every_value_once():
    bars = filled([5, 5, 7, 10**9]).bars_ms()
    assert [count for _, count in bars] == [2, 1, 1]
    assert bars[0][0] * MS == pytest.approx(5)


def test_a_cleared_histogram_is_empty():
    histogram = filled([1, 2, 3])
    histogram.clear()
    assert (histogram.count, histogram.bars_ms()) == (0, [])
    assert np.isnan(histogram.percentile_ms(50))


def recorded(*times_ms):
    recorder = PeriodRecorder(10 * MS)
    for time_ms in times_ms:
        recorder.record(round(time_ms * MS))
    return recorder


def test_a_periodic_event_has_its_rate_and_no_gap():
    recorder = recorded(*range(10, 1011, 10))
    assert recorder.rate_hz == pytest.approx(100.0)
    assert recorder.errors.max_ns == 0
    assert recorder.gap_count == 0


def test_early_and_late_errors_count_equally():
    recorder = recorded(10, 22, 30)
    assert recorder.errors.count == 2
    assert recorder.errors.percentile_ms(1) == pytest.approx(2.0, rel=1 / 64)


def test_more_than_two_periods_are_a_gap_and_two_are_none():
    recorder = recorded(10, 30, 50.1, 60)
    assert recorder.gaps == [Gap(30 * MS, 50_100_000)]


def test_a_pause_is_not_a_gap_and_not_active_time():
    recorder = recorded(10, 20)
    recorder.pause()
    for time_ms in (5000, 5010):
        recorder.record(time_ms * MS)
    assert recorder.gap_count == 0
    assert recorder.active_s == pytest.approx(0.02)
    assert recorder.rate_hz == pytest.approx(100.0)


def test_a_gap_before_a_pause_counts_if_an_event_was_due():
    """Such as the time for which the process was suspended."""
    recorder = recorded(10, 20)
    recorder.pause(150 * MS)
    assert recorder.gaps == [Gap(20 * MS, 150 * MS)]
    recorder.record(1000 * MS)
    recorder.pause(1011 * MS)
    assert recorder.gap_count == 1


def test_a_triggered_event_that_is_late_has_an_error():
    recorder = recorded(10, 20)
    recorder.record(24 * MS, triggered=True)
    recorder.record(36 * MS, triggered=True)
    assert (recorder.early_count, recorder.errors.count) == (1, 2)


def test_gaps_beyond_the_stored_ones_are_counted():
    most = PeriodRecorder.MAX_GAPS
    recorder = recorded(*range(30, 30 * (most + 102), 30))
    assert recorder.gap_count == most + 100
    assert len(recorder.gaps) == most


def test_the_minimum_length_of_a_gap_is_configurable():
    recorder = PeriodRecorder(10 * MS, 1.25)
    for time_ms in (10, 22.5, 35.1):
        recorder.record(round(time_ms * MS))
    assert recorder.gaps == [Gap(22_500_000, 35_100_000)]


def test_before_two_events_there_is_no_rate():
    assert recorded().rate_hz == 0.0
    assert recorded(10).rate_hz == 0.0


def test_clearing_a_recorder_deletes_the_last_event():
    recorder = recorded(10, 100)
    recorder.clear()
    recorder.record(500 * MS)
    assert (recorder.gap_count, recorder.gaps, recorder.errors.count) == (0, [], 0)


def test_a_triggered_event_has_no_period_error_and_counts_for_the_rate():
    recorder = PeriodRecorder(10 * MS)
    for time_ms, early in ((10, False), (20, False), (23, True), (33, False)):
        recorder.record(time_ms * MS, early)
    assert (recorder.count, recorder.early_count) == (3, 1)
    assert recorder.errors.max_ns == 0
    assert recorder.statistics()["periods"] == 3
    assert recorder.rate_hz == pytest.approx(3 / 0.023)


def test_a_late_triggered_event_is_a_gap():
    recorder = PeriodRecorder(10 * MS)
    recorder.record(10 * MS)
    recorder.record(40 * MS, triggered=True)
    assert recorder.gap_count == 1


def test_a_histogram_can_be_read_while_another_thread_records():
    histogram, ended = Histogram(), threading.Event()

    def record():
        value = 1
        while not ended.is_set():
            value = value * 5 % 1_000_003
            histogram.record(value)

    thread = threading.Thread(target=record)
    thread.start()
    try:
        for _ in range(2000):
            histogram.bars_ms()
            histogram.summary_ms()
    finally:
        ended.set()
        thread.join()
    assert sum(count for _, count in histogram.bars_ms()) == histogram.count
