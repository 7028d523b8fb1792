"""Conversion of stamps to the steady clock and back, at any real-time factor."""

import numpy as np
import pytest
from simulated_clock import FIRST_NS, NS, START_NS, ticks

from dbp_ros.runtime.clock_estimator import ClockEstimator, ClockLine
from dbp_ros.runtime.clock_mapping import ClockMapping
from dbp_ros.runtime.stamps import NO_CLOCK_NS, UNSTAMPED_NS

MS = 1_000_000


@pytest.mark.parametrize("factor", [0.05, 0.95, 1.0, 1.05, 20.0])
def test_a_recorded_stamp_converts_back_exactly_even_after_a_jump(factor):
    mapping = ClockMapping(ClockLine(START_NS, FIRST_NS, factor))
    stamps_ns = [FIRST_NS + 3_333_333 * k for k in range(500)]
    steady_ns = [mapping.record_stamp(stamp_ns) for stamp_ns in stamps_ns]
    mapping.line = ClockLine(START_NS + 17, FIRST_NS - 40 * NS, factor / 2)
    assert [mapping.ros_ns(ns) for ns in steady_ns] == stamps_ns


def test_the_number_of_recorded_stamps_is_limited():
    mapping = ClockMapping(ClockLine(START_NS, FIRST_NS, 0.5))
    for k in range(100_000):
        mapping.record_stamp(FIRST_NS + k)
    assert len(mapping._stamps) + len(mapping._older_stamps) <= 2048


@pytest.mark.parametrize("factor", [0.05, 0.5, 2.0, 20.0])
def test_other_times_are_converted_by_the_line(factor):
    mapping = ClockMapping(ClockLine(START_NS, FIRST_NS, factor))
    assert mapping.ros_ns(START_NS + NS) == FIRST_NS + round(factor * NS)
    assert mapping.steady_ns(FIRST_NS - 20 * MS) == START_NS - round(20 * MS / factor)
    steps_ns = np.array([33_333_333, 66_666_666])
    there = mapping.steady_durations_ns(steps_ns)
    np.testing.assert_allclose(there, steps_ns / factor, atol=1)
    np.testing.assert_allclose(mapping.ros_durations_ns(there), steps_ns, atol=factor)
    assert there.dtype == np.int64


def test_with_a_factor_of_one_durations_are_unchanged():
    steps_ns = np.array([33_333_333])
    assert ClockMapping().steady_durations_ns(steps_ns) is steps_ns


def test_invalid_stamps_are_marked():
    mapping = ClockMapping(None)
    assert mapping.record_stamp(0) == UNSTAMPED_NS
    assert mapping.record_stamp(FIRST_NS) == NO_CLOCK_NS
    assert mapping.ros_ns(START_NS) == 0
    assert mapping.factor == 1.0


@pytest.mark.parametrize("factor", [0.05, 20.0])
def test_the_difference_of_another_clock_is_not_scaled(factor):
    mapping = ClockMapping(ClockLine(START_NS, FIRST_NS, factor))
    assert mapping.steady_ns(1_790_000_000 * NS) - START_NS == 1_790_000_000 * NS - FIRST_NS


@pytest.mark.parametrize(
    ("factor", "slowdown"), [(0.001, 20.0), (0.05, 20.0), (0.5, 2.0), (1.0, 1.0), (20.0, 1.0)]
)
def test_the_slowdown_is_limited(factor, slowdown):
    assert ClockMapping(ClockLine(0, 0, factor)).slowdown == pytest.approx(slowdown)


@pytest.mark.parametrize("factor", [0.95, 20.0])
def test_a_line_that_is_unchanged_for_long_converts_exactly(factor):
    estimator, mapping = ClockEstimator(), ClockMapping(None)
    for arrival_ns, _, ros_ns in ticks(factor, 20.0, delay_s=0.0):
        estimator.add(arrival_ns, ros_ns)
        mapping.line = estimator.line
    assert mapping.steady_ns(ros_ns) == pytest.approx(arrival_ns, abs=2 * MS)
