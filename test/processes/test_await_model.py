"""The process that waits for the first model and then becomes the policy."""

import subprocess
import sys
from pathlib import Path

from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.teach.await_model import command_of

SHOW_ID = "import os; print(os.getpid())"


def test_the_command_starts_with_the_model_in_the_same_process(tmp_path: Path) -> None:
    command = command_of(tmp_path / "live", [sys.executable, "-c", SHOW_ID])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("waiting for the first model")
        assert child.poll() is None
        (tmp_path / "live").mkdir()
        (tmp_path / "live" / MANIFEST).touch()
        assert child.stdout.readline() == f"{child.pid}\n"
    assert child.returncode == 0
