"""`dbp bench rate` measures the stack during a recording."""

import csv
import json
from pathlib import Path

from processes.dbp_command import REPORT_KEYS, run_dbp


def test_a_condition_is_measured_once(tmp_path: Path) -> None:
    flags = ("--duration-s", 5, "--conditions", "84-record", "--out", tmp_path)
    for _ in range(2):
        result = run_dbp("bench", "rate", *flags)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "84-record" in result.stdout
    with (tmp_path / "rate.csv").open(encoding="utf-8", newline="") as file:
        [row] = csv.DictReader(file)
    assert int(row["commands"]) > 100
    assert int(row["decisions"]) > 50
    assert float(row["recorded_mb"]) > 0.5
    assert row["recorded_dropped"] == "0"
    for name in ("simulation", "policy", "guard", "recorder"):
        assert float(row[f"{name}_cores"]) > 0
        assert float(row[f"{name}_mb"]) > 10
    report = json.loads((tmp_path / "rate.json").read_text(encoding="utf-8"))
    assert set(report) >= REPORT_KEYS
    assert set(report["conditions"]) == {"84-record"}
    assert (tmp_path / "rate.png").stat().st_size > 1000
