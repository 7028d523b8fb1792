"""The `dbp` command as a process."""

import subprocess
import sys
from pathlib import Path

# Keys of `report.json`.
REPORT_KEYS = {
    *("task", "episodes", "success_rate", "decision_rate_hz", "command_rate_hz"),
    *("command_period_error_ms", "floor_period_error_ms", "inference_ms"),
    *("image_age_at_command_ms", "missed_decisions", "missed_commands", "limited_commands"),
    *("model", "machine"),
}


def run_dbp(*words: object, timeout: float = 150) -> subprocess.CompletedProcess[str]:
    """Run `dbp`. Rates and latency are not checked, because the machine may be busy."""
    command = [sys.executable, "-m", "dbp_ros.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def output_with_logs(result: subprocess.CompletedProcess[str], folder: Path) -> str:
    """Return the output of a process and the logs in a folder, for a failure message."""
    logs = (f"{path.name}:\n{path.read_text()}" for path in folder.glob("*.log"))
    return "\n".join((result.stdout, result.stderr, *logs))[-6000:]
