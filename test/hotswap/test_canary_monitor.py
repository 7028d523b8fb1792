"""Criteria of the canary monitoring."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import fisher_exact

from dbp_ros.hotswap.canary_monitor import CanaryMonitor, ModelRecord, fisher_p_value
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import NS_PER_S

CONFIG = PolicyConfig(
    decision_rate_hz=100.0,
    inference_budget=0.5,
    max_limited_increase=0.2,
    success_window=4,
    rollback_p_value=0.05,
    canary_s=10.0,
)
NOW_NS = 7 * NS_PER_S
# Number of reports in half a canary period.
REPORTS = 5


def record(limited: float | None = None, solved: str = "", p99_ms: float = 0.0) -> ModelRecord:
    """Return a record with a fraction of limited commands and episodes: + is solved, - is not."""
    statistics = ModelRecord(CONFIG)
    statistics.p99_ms = p99_ms
    if limited is not None:
        report(statistics, *[limited] * REPORTS)
    for mark in solved:
        statistics.add_episode(mark == "+")
    return statistics


def report(statistics: ModelRecord, *shares: float) -> None:
    """Add reports of 1000 commands per second with these limited fractions."""
    commands = limited = 0
    statistics.add_command_counts(0, 0)
    for share in shares:
        commands, limited = commands + 1000, limited + round(1000 * share)
        statistics.add_command_counts(commands, limited)


def verdict(before: ModelRecord, after: ModelRecord) -> str:
    monitor = CanaryMonitor(CONFIG, before, NOW_NS)
    monitor.after = after
    return monitor.rollback_reason()


def test_an_equal_model_stays_active() -> None:
    assert verdict(record(0.1, "++-+", 3.0), record(0.1, "+-++", 3.0)) == ""


def test_without_data_there_is_no_rollback() -> None:
    assert verdict(record(), record()) == ""


def test_more_limited_commands_cause_a_rollback() -> None:
    assert verdict(record(0.1), record(0.29)) == ""
    assert verdict(record(0.1), record(0.31)) == (
        "the guard limits 31 % of the commands, before 10 %"
    )


def test_without_a_previous_record_no_fraction_is_too_high() -> None:
    assert verdict(record(), record(1.0)) == ""


def test_a_short_record_has_no_limited_fraction() -> None:
    short = record()
    report(short, *[1.0] * (REPORTS - 1))
    assert short.limited_fraction is None
    assert verdict(record(0.0), short) == ""


def test_intervals_without_commands_are_ignored() -> None:
    statistics = record(0.5)
    last = (1000 * REPORTS, 500 * REPORTS)
    for _ in range(2 * REPORTS):
        statistics.add_command_counts(*last)
    assert statistics.limited_fraction == 0.5


def test_a_restart_of_the_guard_is_ignored() -> None:
    statistics = record()
    report(statistics, *[1.0] * (REPORTS - 1))
    statistics.add_command_counts(0, 0)
    statistics.add_command_counts(1000, 0)
    assert statistics.limited_fraction == pytest.approx((REPORTS - 1) / REPORTS)


def test_old_reports_are_dropped() -> None:
    statistics = record()
    report(statistics, *[1.0] * REPORTS, *[0.0] * REPORTS)
    assert statistics.limited_fraction == 0.0


def test_a_lower_success_rate_causes_a_rollback() -> None:
    assert verdict(record(solved="++++"), record(solved="+---")) == ""
    assert verdict(record(solved="++++"), record(solved="----")) == (
        "0 % of 4 episodes were solved, before 100 %"
    )


def test_an_insignificant_difference_causes_no_rollback() -> None:
    """8 and then 4 of 10 happen often to a policy that solves two of three."""
    found = {pair: fisher_p_value(*pair, 10) for pair in [(4, 8), (3, 9), (4, 10), (8, 8)]}
    print(found)
    for (solved, before), chance in found.items():
        table = [[solved, 10 - solved], [before, 10 - before]]
        assert chance == pytest.approx(fisher_exact(table, "less").pvalue)
    assert found[4, 8] > PolicyConfig().rollback_p_value > found[3, 9] > found[4, 10]


def test_equal_models_are_rarely_rolled_back() -> None:
    rng = np.random.default_rng(0)
    solved = rng.binomial(10, 0.65, (20_000, 2))
    chances = {tuple(pair): fisher_p_value(*pair, 10) for pair in np.unique(solved, axis=0)}
    wrong = np.mean([chances[tuple(pair)] < 0.01 for pair in solved])
    print(f"share of rollbacks without a reason {wrong:.4f}")
    assert 0 < wrong <= 0.01


@pytest.mark.parametrize(("before", "after"), [("+++", "----"), ("++++", "---")])
def test_success_rates_are_compared_over_full_windows_only(before: str, after: str) -> None:
    assert verdict(record(solved=before), record(solved=after)) == ""


def test_a_window_contains_the_newest_episodes() -> None:
    assert record(solved="----++++").success_rate == 1.0


def test_slow_inference_causes_a_rollback() -> None:
    assert verdict(record(p99_ms=1.0), record(p99_ms=5.0)) == ""
    assert verdict(record(p99_ms=1.0), record(p99_ms=5.1)) == (
        "inference takes 5.1 ms (p99), expected at most 5.0; before it took 1.0"
    )


def test_inference_as_slow_as_before_causes_no_rollback() -> None:
    assert verdict(record(p99_ms=10.0), record(p99_ms=14.0)) == ""
    assert "took 10.0" in verdict(record(p99_ms=10.0), record(p99_ms=16.0))


def test_the_canary_period_ends_without_comparable_episodes() -> None:
    monitor = CanaryMonitor(CONFIG, record(), NOW_NS)
    assert not monitor.finished(NOW_NS + 10 * NS_PER_S)
    assert monitor.finished(NOW_NS + 10 * NS_PER_S + 1)


def test_the_canary_period_is_extended_for_comparable_episodes() -> None:
    monitor = CanaryMonitor(CONFIG, record(solved="++++"), NOW_NS)
    assert not monitor.finished(NOW_NS + 1000 * NS_PER_S)
    monitor.after = record(solved="++++")
    assert monitor.finished(NOW_NS + 1000 * NS_PER_S)


def test_limits_of_zero_accept_equal_models_only() -> None:
    strict = replace(CONFIG, max_limited_increase=0.0, rollback_p_value=0.6)
    monitor = CanaryMonitor(strict, record(0.1, "+++-"), NOW_NS)
    monitor.after = record(0.1, "-+++")
    assert monitor.rollback_reason() == ""
    monitor.after = record(0.1, "--++")
    assert monitor.rollback_reason()
