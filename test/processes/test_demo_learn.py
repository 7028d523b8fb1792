"""The robot that learns, for a few episodes: real processes, real DDS, a whole report."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from dbp_ros.evaluation.demo_learn import COLUMNS

REPORTED = {
    *("episodes", "swaps", "success_first_20", "success_last_20", "missed_commands"),
    *("rollbacks", "max_logprob_error", "wall_s", "updates", "decisions", "swap_marks"),
}
LIKELIHOOD = 1e-4


@pytest.mark.timeout(600)
def test_a_few_episodes_make_versions_a_log_a_plot_and_a_report(tmp_path: Path) -> None:
    words = ("--demonstrations", 2, "--train-updates", 3, "--episodes", 4)
    words = (*words, "--decisions-per-update", 8, "--out", tmp_path)
    command = [sys.executable, "-m", "dbp_ros.cli", "demo-learn", *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=580)
    assert (tmp_path / "report.json").exists(), said(result, tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert set(report) >= REPORTED
    assert report["episodes"] == 4
    assert report["updates"] >= 1
    assert 0 < report["max_logprob_error"] <= LIKELIHOOD
    assert report["decisions"]["unknown_version"] == 0
    rows = list(csv.DictReader((tmp_path / "demo_learn.csv").read_text().splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert [row["episode"] for row in rows] == ["1", "2", "3", "4"]
    assert (tmp_path / "demo_learn.png").stat().st_size > 1000
    # So short a run cannot keep what is promised of a long one, and says so.
    assert result.returncode == 1
    assert "swaps is" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def said(result: subprocess.CompletedProcess[str], folder: Path) -> str:
    logs = (f"{path.name}:\n{path.read_text()}" for path in folder.glob("*.log"))
    return "\n".join((result.stdout, result.stderr, *logs))[-6000:]
