"""Report and plot of an online training run, and its requirements."""

import json
from pathlib import Path

import pytest

from dbp_ros.evaluation.learning_report import (
    LearningEpisode,
    SwapMark,
    learning_report,
    plot_learning,
    unmet_requirements,
)

LEARNER = {"largest_likelihood_difference": 2e-6, "updates": 13, "decisions": {"kept": 100}}


def run(solved) -> list[LearningEpisode]:
    return [
        LearningEpisode(k + 1, 4.0 * (k + 1), bool(s), 2.5, k // 4) for k, s in enumerate(solved)
    ]


def swaps(count: int, rolled_back: int = 0) -> list[SwapMark]:
    phases = ["active"] * count + ["rolled_back"] * rolled_back
    return [SwapMark(16.0 * k, 4 * k, k + 1, phase, "") for k, phase in enumerate(phases)]


RISING = [False, True] * 25 + [True] * 50
NEARLY = [False, True] * 25 + ([True] * 7 + [False]) * 6 + [True] * 2


def test_success_is_reported_for_the_first_and_last_episodes():
    report = learning_report(run(RISING), swaps(12, 1), LEARNER, 0, 3, 1)
    assert (report["success_first_20"], report["success_last_20"]) == (0.5, 1.0)
    assert (report["success_first_50"], report["success_last_50"]) == (0.5, 1.0)
    assert (report["episodes"], report["swaps"], report["rollbacks"]) == (100, 12, 1)
    assert (report["wall_s"], report["robot_s"]) == (400.0, 250.0)
    assert (report["largest_fall_50"], report["fall_p_value"]) == (0.0, 1.0)
    assert (report["missed_commands"], report["machine_stalls"]) == (0, 3)
    assert report["max_logprob_error"] == 2e-6
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert unmet_requirements(report) == []


@pytest.mark.parametrize(
    ("solved", "swapped", "missed", "sentence"),
    [
        ([True] * 100, 12, 0, "success_last_50 is 1.0, expected at least 1.10, 0.1 above"),
        (NEARLY, 12, 0, "success_last_50 is 0.88, expected at least 0.9"),
        (RISING + [False] * 50 + [True] * 50, 12, 0, "fall_p_value is 0.0, expected at least"),
        (RISING, 9, 0, "swaps is 9, expected at least 10"),
        (RISING, 12, 1, "missed_commands is 1, expected 0"),
    ],
)
def test_each_requirement_that_is_not_met_is_named(solved, swapped, missed, sentence):
    report = learning_report(run(solved), swaps(swapped), LEARNER, missed, 0, 0)
    [found] = unmet_requirements(report)
    assert found.startswith(sentence)


def test_runs_without_swaps_or_full_windows_can_be_plotted(tmp_path: Path):
    for name, episodes, marks in (
        ("long", run(RISING), swaps(12, 1)),
        ("short", run([True] * 3), []),
    ):
        plot_learning(tmp_path / f"{name}.png", episodes, marks)
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
