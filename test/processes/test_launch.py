"""The launch file under `ros2 launch`, if it is installed."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("launch_ros", reason="launch_ros is not installed: it comes with ROS 2")

LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
path, *words = sys.argv[1:]
arguments = [tuple(word.split(":=", 1)) for word in words]
source = PythonLaunchDescriptionSource(path)
service = LaunchService(argv=words, noninteractive=True)
included = IncludeLaunchDescription(source, launch_arguments=arguments)
service.include_launch_description(LaunchDescription([included]))
sys.exit(service.run())
"""


def launch(root: Path, *words: str) -> subprocess.Popen[str]:
    """Run the launch file as `ros2 launch dbp_ros dual_arm.launch.py` does."""
    path = root / "launch" / "dual_arm.launch.py"
    command = [sys.executable, "-c", LAUNCH, str(path), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["model:=nope"], "nope is not a model bundle"),
        (["sim:=true", "task:=nope"], "task is 'nope', expected one of"),
        (["real_time_factor:=0"], "real_time_factor = 0.0, expected"),
        (
            ["learner:=true", "checkpoint:=/nowhere"],
            "/nowhere/checkpoint.safetensors is not a file",
        ),
        (["config:=/nowhere"], "/nowhere/guard.yaml is missing"),
        (["enable_contrl:=true"], "did you mean enable_control"),
        (["hed_camera:=/x"], "did you mean head_camera"),
    ],
)
def test_errors_are_found_before_a_process_starts(
    domain: int, root: Path, words: list[str], reason: str
) -> None:
    with launch(root, *words) as child:
        printed, _ = child.communicate(timeout=60)
    assert child.returncode != 0
    assert reason in printed
    assert "process started" not in printed


def started(child: subprocess.Popen[str], name: str) -> int:
    """Read the log until a process starts; return its id."""
    assert child.stdout is not None
    for line in child.stdout:
        if found := re.search(rf"\[{name}-\d\]: process started with pid \[(\d+)\]", line):
            return int(found[1])
    raise AssertionError(f"{name} was not started")


def wait_for_line(child: subprocess.Popen[str], words: str) -> None:
    assert child.stdout is not None
    assert any(words in line for line in child.stdout), f"the launch ended without {words!r}"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_end_of_the_guard_ends_the_launch_with_an_error(
    domain: int, root: Path, number: signal.Signals
) -> None:
    with launch(root, "sim:=true") as child:
        guard, policy = started(child, "guard"), started(child, "policy")
        wait_for_line(child, "disabled")
        os.kill(guard, number)
        printed, _ = child.communicate(timeout=60)
    assert child.returncode != 0
    assert "no process commands the arms, ending the stack" in printed
    assert not Path(f"/proc/{policy}").exists()


def test_an_interrupted_launch_ends_without_an_error(domain: int, root: Path) -> None:
    with launch(root, "sim:=true", "head_camera:=/zed/image_raw") as child:
        wait_for_line(child, "deciding")
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        printed, _ = child.communicate(timeout=60)
    assert child.returncode == 0, printed
    assert "ending the stack" not in printed
