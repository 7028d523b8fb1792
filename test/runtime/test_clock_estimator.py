"""Estimated rate and offset of the `/clock` of any simulator."""

import math
from itertools import pairwise

import pytest
from simulated_clock import FIRST_NS, NS, START_NS, ticks

from dbp_ros.runtime.clock_estimator import ClockEstimator

MS = 1_000_000
SILENT_NS = 2 * NS
FACTORS = (0.05, 0.5, 0.95, 1.0, 5.0, 20.0)


def errors_ms(estimator: ClockEstimator, clock, from_s: float) -> list[float]:
    """Return the error of the line after each message, in [ms] of wall time."""
    errors = []
    for arrival_ns, true_ns, ros_ns in clock:
        estimator.add(arrival_ns, ros_ns)
        if true_ns > START_NS + from_s * NS:
            errors.append((estimator.line.steady_at(ros_ns) - true_ns) / MS)
    return errors


@pytest.mark.parametrize("step_s", [0.002, 0.01, 0.05])
@pytest.mark.parametrize("factor", FACTORS)
def test_a_constant_factor_is_estimated_with_errors_below_two_milliseconds(factor, step_s):
    estimator = ClockEstimator()
    errors = errors_ms(estimator, ticks(factor, 12.0, step_s), from_s=4.0)
    assert estimator.line.factor == pytest.approx(factor, rel=0.01)
    assert max(map(abs, errors)) < 2.0
    assert len(errors) > 5


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_the_line_of_a_regular_clock_does_not_change(factor):
    estimator, lines = ClockEstimator(), []
    for arrival_ns, true_ns, ros_ns in ticks(factor, 10.0, delay_s=0.0001):
        estimator.add(arrival_ns, ros_ns)
        if true_ns > START_NS + 2 * NS:
            lines.append(estimator.line)
    placed = [line.steady_at(FIRST_NS + 5 * NS) for line in lines]
    steps = [abs(after - before) for before, after in pairwise(placed)]
    assert sum(step > 1 for step in steps) <= (0 if factor == 1.0 else 3)


@pytest.mark.parametrize("factor", FACTORS)
def test_jitter_of_a_third_of_a_step_is_tolerated(factor):
    estimator = ClockEstimator()
    errors = errors_ms(estimator, ticks(factor, 12.0, 0.01, jitter=0.3), from_s=4.0)
    assert estimator.line.factor == pytest.approx(factor, rel=0.3)
    # The steps of a slow simulator are longer in wall time.
    assert max(map(abs, errors)) < 30.0 * max(1.0, 0.3 / factor)


@pytest.mark.parametrize(
    "factor",
    [
        lambda t: 1.0 + 0.3 * math.sin(math.pi * t),
        lambda t: 1.3 if t % 1.0 < 0.5 else 0.7,
        lambda t: 2.0 if t % 2.0 < 1.0 else 0.5,
        lambda t: 0.05 * 400.0 ** (t / 12.0),
    ],
    ids=["wave", "thirds", "fourfold", "from 0.05 to 20"],
)
def test_a_varying_factor_is_followed(factor):
    errors = errors_ms(ClockEstimator(), ticks(factor, 12.0, 0.004), from_s=1.0)
    assert max(map(abs, errors)) < 50.0


def resumed(ros_ns: int, after_s: float) -> list[tuple[int, int]]:
    """Return arrival and ROS time of messages from three seconds on, at half of real time."""
    return [
        (arrival_ns + round((3.0 + after_s) * NS), ros_ns + since_ns - FIRST_NS)
        for arrival_ns, _, since_ns in ticks(0.5, 1.0)
    ]


@pytest.mark.parametrize("jump_s", [-99.0, -0.2, 0.2, 3.0, 1e6])
def test_a_jump_is_followed_at_the_next_message(jump_s):
    estimator = ClockEstimator()
    errors_ms(estimator, ticks(0.5, 3.0), from_s=9.0)
    for arrival_ns, ros_ns in resumed(FIRST_NS + round((1.5 + jump_s) * NS), after_s=0.0):
        estimator.add(arrival_ns, ros_ns)
        assert estimator.line.steady_at(ros_ns) == pytest.approx(arrival_ns, abs=25 * MS)
    assert estimator.line.factor == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("jump_s", [-99.0, 3.0, 1e6])
def test_a_jump_does_not_change_the_factor(jump_s):
    estimator = ClockEstimator()
    errors_ms(estimator, ticks(0.5, 3.0), from_s=9.0)
    for arrival_ns, ros_ns in resumed(FIRST_NS + round((1.5 + jump_s) * NS), after_s=0.0):
        estimator.add(arrival_ns, ros_ns)
        assert estimator.line.factor == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("stall_s", [0.05, 0.3, 5.0, 3600.0])
def test_after_a_stall_the_factor_is_unchanged(stall_s):
    estimator = ClockEstimator()
    errors_ms(estimator, ticks(0.5, 3.0), from_s=9.0)
    for arrival_ns, ros_ns in resumed(FIRST_NS + round(1.5 * NS), stall_s):
        estimator.add(arrival_ns, ros_ns)
        placed_ns = estimator.line.steady_at(ros_ns)
        assert abs(placed_ns - arrival_ns) < 60 * MS
    assert estimator.line.factor == pytest.approx(0.5, rel=0.02)
    assert abs(placed_ns - arrival_ns) < 3 * MS


def test_a_clock_that_becomes_twenty_times_slower_is_followed():
    estimator = ClockEstimator()
    errors = errors_ms(
        estimator, ticks(lambda t: 1.0 if t < 3.0 else 0.05, 12.0, step_s=0.05), from_s=8.0
    )
    assert estimator.line.factor == pytest.approx(0.05, rel=0.02)
    assert max(map(abs, errors)) < 2.0


def test_late_messages_do_not_change_the_line():
    estimator = ClockEstimator()
    errors_ms(estimator, ticks(1.0, 2.0, delay_s=0.0), from_s=9.0)
    line, arrival_ns = estimator.line, START_NS + 2 * NS
    for late_ms in (0, 5, 0, 9, 3, 0):
        arrival_ns += 10 * MS
        estimator.add(arrival_ns, line.ros_at(arrival_ns - late_ms * MS))
        assert estimator.line.steady_at(FIRST_NS) == pytest.approx(line.steady_at(FIRST_NS), abs=MS)


def test_a_missing_stalled_or_duplicate_clock_is_reported():
    estimator = ClockEstimator()
    assert "nothing arrives on /clock" in estimator.problem(START_NS, SILENT_NS)
    for arrival_ns, _, ros_ns in ticks(1.0, 2.0):
        estimator.add(arrival_ns, ros_ns)
        assert estimator.problem(arrival_ns, SILENT_NS) == ""
    assert estimator.problem(arrival_ns + SILENT_NS, SILENT_NS) == ""
    assert "/clock has stalled" in estimator.problem(arrival_ns + SILENT_NS + 1, SILENT_NS)
    for k in range(1, 9):
        estimator.add(arrival_ns + k * 10 * MS, ros_ns + (k % 2) * 70 * NS)
    then_ns = arrival_ns + 80 * MS
    assert "stop all but one of its publishers" in estimator.problem(then_ns, SILENT_NS)
    for k in range(300):
        estimator.add(then_ns + k * 10 * MS, ros_ns + 70 * NS + k * 10 * MS)
    assert estimator.problem(then_ns + 3 * NS, SILENT_NS) == ""


def test_one_reset_of_a_simulator_is_not_a_second_publisher():
    estimator = ClockEstimator()
    for arrival_ns, _, ros_ns in ticks(1.0, 2.0):
        estimator.add(arrival_ns, ros_ns)
    estimator.add(arrival_ns + 10 * MS, FIRST_NS)
    assert estimator.problem(arrival_ns + 10 * MS, SILENT_NS) == ""


def test_a_slow_clock_with_long_steps_has_not_stalled():
    estimator = ClockEstimator()
    for arrival_ns, _, ros_ns in ticks(0.05, 12.0, step_s=0.05):
        estimator.add(arrival_ns, ros_ns)
        assert estimator.problem(arrival_ns + NS, SILENT_NS) == ""
