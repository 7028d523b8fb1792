"""`dbp demo-learn` for a few episodes writes versions, a CSV file, a plot and a report."""

import csv
import json
from pathlib import Path

import pytest
from processes.dbp_command import output_with_logs, run_dbp

from dbp_ros.evaluation.demo_learn import COLUMNS

LEARNING_REPORT_KEYS = {
    *("episodes", "swaps", "success_first_20", "success_last_20", "missed_commands"),
    *("success_first_50", "success_last_50", "largest_fall_50", "fall_p_value"),
    *("rollbacks", "max_logprob_error", "wall_s", "updates", "decisions", "swap_marks"),
}
MAX_LOGPROB_ERROR = 1e-4


@pytest.mark.timeout(600)
def test_a_few_episodes_give_versions_a_csv_file_a_plot_and_a_report(tmp_path: Path) -> None:
    flags = ("--demonstrations", 2, "--train-updates", 3, "--episodes", 4)
    flags = (*flags, "--decisions-per-update", 8, "--out", tmp_path)
    result = run_dbp("demo-learn", *flags, timeout=580)
    assert (tmp_path / "report.json").exists(), output_with_logs(result, tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert set(report) >= LEARNING_REPORT_KEYS
    assert report["episodes"] == 4
    assert report["updates"] >= 1
    assert 0 < report["max_logprob_error"] <= MAX_LOGPROB_ERROR
    assert report["decisions"]["unknown_version"] == 0
    rows = list(csv.DictReader((tmp_path / "demo_learn.csv").read_text().splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert [row["episode"] for row in rows] == ["1", "2", "3", "4"]
    assert (tmp_path / "demo_learn.png").stat().st_size > 1000
    # So short a run does not meet the requirements.
    assert result.returncode == 1
    assert "swaps is" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
