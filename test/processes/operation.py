"""The `dbp` command as a process."""

import json
import os
import subprocess
import sys

DBP = (sys.executable, "-m", "dbp_ros.cli")
LIMIT_S = 30.0


def dbp(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the command until it exits."""
    return subprocess.run(
        [*DBP, *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def found() -> dict[str, str]:
    """Return the findings of `dbp status` as text, by subject."""
    looked = dbp("status", "--json")
    data = json.loads(looked.stdout)
    assert looked.returncode == data["exit_status"]
    sentences: dict[str, str] = {}
    for finding in data["findings"]:
        text = f"{finding['level']}: {finding['sentence']} | {finding['action']}; "
        sentences[finding["subject"]] = sentences.get(finding["subject"], "") + text
    return sentences
