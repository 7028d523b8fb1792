"""The report of a run, and the classification of deadline misses."""

import json
from io import StringIO

import pytest
from rich.console import Console

from dbp_ros.evaluation.report import EpisodeResult, build_report, count_missed, report_table
from dbp_ros.telemetry.latency import Histogram, PeriodRecorder


def report_of(image_age: Histogram) -> dict:
    period, summary = PeriodRecorder(4_000_000).statistics(), Histogram().summary_ms()
    guard = {"command_period": period, "limited_commands": 0, "commands": 0, "stops": 0}
    guard["image_age_at_command_ms"] = guard["reaction_ms"] = image_age.summary_ms()
    guard["reaction_path_ms"] = {"commanded": image_age.summary_ms()}
    reference = {**period, "realtime": True}
    policy = {"decision_period": period, "inference_ms": summary, "encoding_ms": summary}
    policy |= {"decision_ms": summary, "reaction_path_ms": {"decided": summary}}
    policy |= {"decisions": 0, "refused_decisions": 0, "model": {}}
    episodes = [EpisodeResult(False, 1.0, 0.0, 0.0)]
    return build_report("lift", episodes, guard, policy, {"camera_backend": "egl"}, reference)


def table_rows(report: dict) -> list[list[str]]:
    console = Console(width=120, file=StringIO())
    with console.capture() as capture:
        console.print(report_table(report))
    return [line.split() for line in capture.get().splitlines()]


def test_a_run_without_commands_gives_a_table_and_valid_json():
    report = report_of(Histogram())
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    [ages] = [words for words in table_rows(report) if words[1:3] == ["image", "age"]]
    assert [word for word in ages if word == "-"] == ["-"] * 4


def test_latencies_are_printed_in_milliseconds():
    ages = Histogram()
    ages.record(12_340_000)
    [row] = [words for words in table_rows(report_of(ages)) if words[1:3] == ["image", "age"]]
    assert row.count("12.34") == 4


def loop(
    period_ms: float,
    *gaps_ms: tuple[float, float],
    gap_count: int | None = None,
    realtime: bool = True,
) -> dict:
    gaps = [[round(1e6 * begin), round(1e6 * end)] for begin, end in gaps_ms]
    count = len(gaps) if gap_count is None else gap_count
    statistics = {"period_ns": round(1e6 * period_ms), "gaps": gaps, "gap_count": count}
    return {**statistics, "realtime": realtime}


@pytest.mark.parametrize(
    ("idle", "counts"),
    [
        ([], (1, 0)),
        ([loop(2)], (1, 0)),
        # A delay of 1.5 ms of the 5 leaves 3.5, less than two periods of 2.
        ([loop(2, (100, 103.5))], (0, 1)),
        ([loop(2), loop(2, (100, 103.5))], (0, 1)),
        # A stall before or after the gap, or one too short to explain it.
        ([loop(2, (90, 100))], (1, 0)),
        ([loop(2, (103, 110))], (1, 0)),
        ([loop(2, (100, 102.9))], (1, 0)),
        ([loop(2, (100, 102.6), (102.6, 105.1))], (0, 1)),
        ([loop(2, (100, 102.6)), loop(2, (102.6, 105.1))], (1, 0)),
    ],
)
def test_a_gap_is_a_miss_unless_the_delay_of_a_reference_loop_explains_it(idle, counts) -> None:
    assert count_missed(loop(2, (100, 105)), idle) == counts


def test_a_loop_that_the_stack_may_delay_explains_no_gap() -> None:
    idle = loop(2, (100, 103.5), realtime=False)
    assert count_missed(loop(2, (100, 105)), [idle]) == (1, 0)


def test_a_short_stall_does_not_explain_a_long_gap() -> None:
    assert count_missed(loop(2, (100, 150)), [loop(2, (100, 104))]) == (1, 0)


def test_gaps_beyond_the_capacity_are_misses() -> None:
    assert count_missed(loop(2, (100, 105), gap_count=4), [loop(2, (100, 104))]) == (3, 1)
