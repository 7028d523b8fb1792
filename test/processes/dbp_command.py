"""The `dbp` command as a process."""

import json
import os
import subprocess
import sys
from pathlib import Path

DBP = (sys.executable, "-m", "dbp_ros.cli")
# Keys of `report.json`.
REPORT_KEYS = {
    *("task", "episodes", "success_rate", "decision_rate_hz", "command_rate_hz"),
    *("command_period_error_ms", "floor_period_error_ms", "inference_ms"),
    *("image_age_at_command_ms", "missed_decisions", "missed_commands", "limited_commands"),
    *("model", "machine"),
}


def run_dbp(
    *words: object, timeout: float = 150, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `dbp` with environment variables until it exits."""
    command = [*DBP, *map(str, words)]
    environment = {**os.environ, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)


def status_findings() -> dict[str, str]:
    """Return the findings of `dbp status` as text, by subject."""
    result = run_dbp("status", "--json")
    data = json.loads(result.stdout)
    assert result.returncode == data["exit_status"]
    sentences: dict[str, str] = {}
    for finding in data["findings"]:
        text = f"{finding['level']}: {finding['sentence']} | {finding['action']}; "
        sentences[finding["subject"]] = sentences.get(finding["subject"], "") + text
    return sentences


def output_with_logs(result: subprocess.CompletedProcess[str], folder: Path) -> str:
    """Return the output of a process and the logs in a folder, for a failure message."""
    logs = (f"{path.name}:\n{path.read_text()}" for path in folder.glob("*.log"))
    return "\n".join((result.stdout, result.stderr, *logs))[-6000:]
