"""A child process ends with its parent."""

import subprocess
import sys
import time

ORPHAN = """
import os, time
from dbp_ros.runtime.parent_death import die_with_parent
die_with_parent({parent})
print("up", flush=True)
time.sleep(60)
"""
PARENT = """
import os, subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1].format(parent=os.getpid())])
"""
WAIT_S = 5.0


def test_a_child_ends_when_its_parent_is_killed():
    command = [sys.executable, "-c", PARENT, ORPHAN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "up\n"
        parent.kill()
        # The end of the pipe, which the child would hold open for a minute.
        began_s = time.monotonic()
        assert parent.stdout.read() == ""
        assert time.monotonic() - began_s < WAIT_S


def test_a_child_whose_parent_has_ended_exits():
    command = [sys.executable, "-c", ORPHAN.format(parent=0)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (-9, "")
