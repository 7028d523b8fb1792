"""What an operator types, as a process of its own."""

import json
import os
import subprocess
import sys

DBP = (sys.executable, "-m", "dbp_ros.cli")
LIMIT_S = 30.0


def dbp(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    return subprocess.run(
        [*DBP, *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def found() -> dict[str, str]:
    """Return what `dbp status` finds: by subject, all that is written about it."""
    looked = dbp("status", "--json")
    data = json.loads(looked.stdout)
    assert looked.returncode == data["exit_status"]
    sentences: dict[str, str] = {}
    for finding in data["findings"]:
        text = f"{finding['level']}: {finding['sentence']} | {finding['action']}; "
        sentences[finding["subject"]] = sentences.get(finding["subject"], "") + text
    return sentences
