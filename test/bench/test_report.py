"""A run amounts to a report that people and programs can read, whatever was not recorded."""

import json
from io import StringIO

from rich.console import Console

from dbp_ros.bench.report import EpisodeResult, build_report, table_of
from dbp_ros.latency import Histogram, PeriodRecorder


def report_of(image_age: Histogram) -> dict:
    period, summary = PeriodRecorder(4_000_000).statistics(), Histogram().summary_ms()
    guard = {"command_period": period, "limited_commands": 0, "commands": 0}
    guard["image_age_at_command_ms"] = guard["reaction_ms"] = image_age.summary_ms()
    guard["reaction_path_ms"] = {"commanded": image_age.summary_ms()}
    policy = {"decision_period": period, "inference_ms": summary, "encoding_ms": summary}
    policy |= {"decision_ms": summary, "reaction_path_ms": {"decided": summary}}
    policy |= {"decisions": 0, "refused_decisions": 0, "model": {}}
    episodes = [EpisodeResult(False, 1.0, 0.0, 0.0)]
    return build_report("lift", episodes, guard, policy, {"camera_backend": "egl"}, period)


def shown(report: dict) -> list[list[str]]:
    console = Console(width=120, file=StringIO())
    with console.capture() as capture:
        console.print(table_of(report))
    return [line.split() for line in capture.get().splitlines()]


def test_a_run_without_a_single_command_still_makes_a_table_and_valid_json():
    report = report_of(Histogram())
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    [ages] = [words for words in shown(report) if words[1:3] == ["image", "age"]]
    assert [word for word in ages if word == "-"] == ["-"] * 4


def test_what_was_recorded_is_shown_in_milliseconds():
    ages = Histogram()
    ages.record(12_340_000)
    [row] = [words for words in shown(report_of(ages)) if words[1:3] == ["image", "age"]]
    assert row.count("12.34") == 4
