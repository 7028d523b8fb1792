"""The script of the simulator test in containers, here on the simulated cell."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "docker" / "sim_test.sh"


def run_script(*launch: str) -> subprocess.CompletedProcess[str]:
    bin_folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "EPISODE_S": "3"}
    return subprocess.run(
        [str(SCRIPT), *launch], env=environment, capture_output=True, text=True, timeout=200
    )


def test_an_episode_of_the_stack_passes(domain: int) -> None:
    done = run_script("dbp", "up", "--sim")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "14 joints follow their commands" in done.stdout
    assert "the episode went well" in done.stdout


def test_a_stack_that_ends_fails_the_test(domain: int) -> None:
    done = run_script("dbp", "up", "--model", "nowhere")
    assert done.returncode == 1
    assert "the stack ended" in done.stdout
