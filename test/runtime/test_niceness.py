"""Niceness of a process and of its session."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dbp_ros.runtime.niceness import AUTOGROUP, lower_priority

SCRIPT = """
import os
from dbp_ros.runtime.niceness import AUTOGROUP, lower_priority
lower_priority(7)
print(os.nice(0), AUTOGROUP.read_text().split()[-1] if AUTOGROUP.exists() else "none")
"""


@pytest.mark.parametrize("leads", [True, False])
def test_a_process_that_leads_a_session_lowers_its_group(leads: bool) -> None:
    before = AUTOGROUP.read_text().split()[-1] if AUTOGROUP.exists() else "none"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=leads,
    )
    niceness, group = done.stdout.split()
    assert int(niceness) >= 7
    expected = niceness if leads and before != "none" else before
    assert group == expected


def test_a_kernel_without_groups_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getsid", lambda process: os.getpid())
    monkeypatch.setattr("dbp_ros.runtime.niceness.AUTOGROUP", Path("/proc/self/absent"))
    lower_priority(0)
