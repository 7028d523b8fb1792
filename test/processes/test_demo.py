"""The main job, once, with the shipped model: real processes, real DDS, a whole report."""

import json
import subprocess
import sys
from pathlib import Path

REPORTED = {
    *("task", "episodes", "success_rate", "decision_rate_hz", "command_rate_hz"),
    *("command_period_error_ms", "floor_period_error_ms", "inference_ms"),
    *("image_age_at_command_ms", "missed_decisions", "missed_commands", "limited_commands"),
    *("model", "machine"),
}


def demo(*words: object) -> subprocess.CompletedProcess[str]:
    """Run `dbp demo`. How fast it was is not judged here: this machine may be busy."""
    command = [sys.executable, "-m", "dbp_ros.cli", "demo", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_demo_runs_an_episode_and_reports_it(tmp_path: Path) -> None:
    result = demo("--episodes", 1, "--film", 1, "--out", tmp_path)
    assert (tmp_path / "report.json").exists(), said(result, tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert set(report) >= REPORTED
    assert report["episodes"] == 1
    assert report["decisions"] > 50
    assert report["commands"] > 100
    assert set(report["command_period_error_ms"]) == {"p50", "p99", "p999", "max"}
    assert (tmp_path / "latency.png").stat().st_size > 1000
    assert (tmp_path / "head_camera.gif").stat().st_size > 1000
    assert "1/1" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def said(result: subprocess.CompletedProcess[str], folder: Path) -> str:
    logs = (f"{path.name}:\n{path.read_text()}" for path in folder.glob("*.log"))
    return "\n".join((result.stdout, result.stderr, *logs))


def test_a_demo_without_its_model_says_so(tmp_path: Path) -> None:
    result = demo("--model", "nowhere", "--out", tmp_path)
    assert result.returncode == 1
    assert "nowhere is not a model bundle" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1
