"""Reference loops run before the block begins; a loop that fails is an error."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dbp_ros.errors import DbpError
from dbp_ros.evaluation.running_stack import read_reference_loops, reference_loops


def test_reference_loops_run_when_the_block_begins_and_are_read_after_it(tmp_path: Path) -> None:
    with reference_loops(tmp_path) as files:
        assert [json.loads(file.read_text()) for file in files] == [{}] * len(files)
        with pytest.raises(DbpError, match=r"loop\.json is empty: the reference loop was killed"):
            read_reference_loops(files)
    statistics = read_reference_loops(files)
    assert len(statistics) >= 2
    assert all("period_error_ms" in numbers for numbers in statistics), statistics


def test_a_reference_loop_that_does_not_start_is_an_error_with_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(DbpError, match=r"the reference loop did not start; the end of .*loop\.log"),
        reference_loops(tmp_path, start_limit_s=0.0),
    ):
        pass


PARENT = """
import sys, time
from pathlib import Path
from dbp_ros.evaluation.running_stack import module_process
with module_process(("http.server", "0", "--bind", "127.0.0.1"), Path(sys.argv[1])) as child:
    print(child.pid, flush=True)
    time.sleep(60)
"""


def test_a_module_ends_when_the_process_that_runs_it_is_killed(tmp_path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.kill()
    deadline = time.monotonic() + 20.0
    while is_running(child):
        assert time.monotonic() < deadline, f"process {child} still runs"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
