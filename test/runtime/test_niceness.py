"""Niceness of a process and of its session."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dbp_ros.runtime.niceness import lower_priority

# The group is empty for a process outside of all groups.
SCRIPT = """
import os, sys
from dbp_ros.runtime.niceness import AUTOGROUP, lower_priority
if sys.argv[1] == "lower":
    lower_priority(7)
print(os.nice(0), *(AUTOGROUP.read_text().split()[-1:] if AUTOGROUP.exists() else []))
"""


def niceness_and_group(change: str, *, leads: bool) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, change],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=leads,
    )
    return done.stdout.split()


@pytest.mark.parametrize("leads", [True, False])
def test_a_process_that_leads_a_session_lowers_its_group(leads: bool) -> None:
    before, *group_before = niceness_and_group("keep", leads=leads)
    niceness, *group = niceness_and_group("lower", leads=leads)
    assert int(niceness) == min(int(before) + 7, 19)
    assert group == ([niceness] if leads and group_before else group_before)


def test_a_kernel_without_groups_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getsid", lambda process: os.getpid())
    monkeypatch.setattr("dbp_ros.runtime.niceness.AUTOGROUP", Path("/proc/self/absent"))
    lower_priority(0)
