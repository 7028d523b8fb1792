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
    assert "nothing commands the arms any more, ending the stack" in printed
    assert not Path(f"/proc/{policy}").exists()


def test_an_interrupted_launch_ends_without_an_error(domain: int, root: Path) -> None:
    with launch(root, "sim:=true", "head_camera:=/zed/image_raw") as child:
        wait_for_line(child, "deciding")
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        printed, _ = child.communicate(timeout=60)
    assert child.returncode == 0, printed
    assert "ending the stack" not in printed


# Packages and executables that the launch file starts besides those of this package.
PACKAGES = {
    "robot_state_publisher": ["robot_state_publisher"],
    "controller_manager": ["ros2_control_node", "spawner"],
    "mujoco_ros2_control": ["ros2_control_node"],
    "ros_gz_sim": ["create"],
    "ros_gz_bridge": ["parameter_bridge"],
    "ros_gz_image": ["image_bridge"],
    "ur_client_library": [],
    "ur_robot_driver": [],
}
RECORDER = """#!/usr/bin/env python3
import os, sys, time
with open(os.path.join(os.environ["RECORDED"], f"{os.getpid()}.txt"), "w") as file:
    file.write("\\0".join([os.path.relpath(sys.argv[0], os.environ["PREFIX"]), *sys.argv[1:]]))
time.sleep(60)
"""


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packages whose executables record their command lines and wait."""
    found = tmp_path / "prefix"
    index = found / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    files = [found / "bin" / "gz"]
    for package, executables in PACKAGES.items():
        (index / package).touch()
        (found / "share" / package).mkdir()
        files += [found / "lib" / package / name for name in executables]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(RECORDER)
        file.chmod(0o755)
    (tmp_path / "recorded").mkdir()
    monkeypatch.setenv("PREFIX", str(found))
    monkeypatch.setenv("RECORDED", str(tmp_path / "recorded"))
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "ros_home"))
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(found))
    monkeypatch.setenv("PATH", f"{found / 'bin'}:{os.environ['PATH']}")
    return found


def recorded(folder: Path, count: int) -> dict[str, list[str]]:
    """Return the words of each executable, by its path below the prefix."""
    deadline = time.monotonic() + 30
    while len(files := list(folder.glob("*.txt"))) < count:
        assert time.monotonic() < deadline, f"{len(files)} of {count} executables were started"
        time.sleep(0.1)
    time.sleep(0.5)
    lines = [file.read_text().split("\0") for file in files]
    assert len(lines) == count
    return {words[0]: words[1:] for words in lines}


@pytest.mark.parametrize(
    ("hardware", "executables"),
    [
        ("mock", 4),
        ("mujoco", 4),
        ("gazebo", 7),
        ("ur", 4),
    ],
)
def test_the_launch_file_starts_the_hardware(
    domain: int, root: Path, prefix: Path, tmp_path: Path, hardware: str, executables: int
) -> None:
    words = [f"hardware:={hardware}", "namespace:=cell"]
    words += ["addresses:=left=10.0.0.1 right=10.0.0.2"] if hardware == "ur" else []
    with launch(root, *words) as child:
        try:
            commands = recorded(tmp_path / "recorded", executables)
        finally:
            child.send_signal(signal.SIGINT)
            printed, _ = child.communicate(timeout=60)
    assert "lib/robot_state_publisher/robot_state_publisher" in commands, printed
    assert "__ns:=/cell" in commands["lib/robot_state_publisher/robot_state_publisher"]
    assert "lib/controller_manager/spawner" in commands
    if hardware == "gazebo":
        assert commands["bin/gz"][:4] == ["sim", "-r", "-s", "--headless-rendering"]
        return
    package = "mujoco_ros2_control" if hardware == "mujoco" else "controller_manager"
    manager = commands[f"lib/{package}/ros2_control_node"]
    file = tmp_path / "ros_home" / "dbp_ros" / f"ur5e_dual_{hardware}" / "controllers.yaml"
    assert manager[manager.index("--params-file") + 1] == str(file)
    assert "~/robot_description:=robot_description" in manager
