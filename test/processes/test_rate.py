"""The stack is measured while everything that it says is recorded."""

import csv
import json
import subprocess
import sys
from pathlib import Path

from processes.test_demo import REPORTED


def test_a_condition_is_measured_and_not_measured_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dbp_ros.cli", "bench", "rate", "--duration-s", "5"]
    command += ["--conditions", "84-record", "--out", str(tmp_path)]
    for _ in range(2):
        result = subprocess.run(command, capture_output=True, text=True, timeout=150)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "84-record" in result.stdout
    with (tmp_path / "rate.csv").open(encoding="utf-8", newline="") as file:
        [row] = csv.DictReader(file)
    assert int(row["commands"]) > 100
    assert int(row["decisions"]) > 50
    assert float(row["recorded_mb"]) > 0.5
    assert row["recorded_dropped"] == "0"
    for name in ("simulation", "policy", "guard", "bag"):
        assert float(row[f"{name}_cores"]) > 0
        assert float(row[f"{name}_mb"]) > 10
    report = json.loads((tmp_path / "rate.json").read_text(encoding="utf-8"))
    assert set(report) >= REPORTED
    assert set(report["conditions"]) == {"84-record"}
    assert (tmp_path / "rate.png").stat().st_size > 1000
