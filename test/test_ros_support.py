"""An unsupported platform ends a command, a node or an installation with one sentence."""

import os
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from dbp_ros.extras import install_hint, missing
from dbp_ros.ros_support import ros_problem, wheels_problem

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def rclpy(tmp_path: Path) -> Path:
    """A package with the files of a supported rclpy, and no content."""
    package = tmp_path / "rclpy"
    (package / "experimental").mkdir(parents=True)
    for name in ("__init__.py", "experimental/__init__.py", "experimental/events_executor.py"):
        (package / name).touch()
    (package / f"_rclpy_pybind11{EXTENSION_SUFFIXES[0]}").touch()
    return package


def run(rclpy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a module with ROS 2 Humble sourced."""
    path = os.pathsep.join((str(rclpy.parent), str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": path, "ROS_DISTRO": "humble"}
    return subprocess.run(
        [sys.executable, "-m", *words], env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    "words",
    [
        "dbp_ros.nodes.guard_node",
        "dbp_ros.nodes.policy_node",
        "dbp_ros.cli enable",
        "dbp_ros.cli status",
        "dbp_ros.cli up --sim",
    ],
)
def test_a_distribution_without_the_executor_is_refused(rclpy: Path, words: str) -> None:
    (rclpy / "experimental" / "events_executor.py").unlink()
    done = run(rclpy, *words.split())
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(f"error: ROS 2 Humble in {rclpy} is not supported")
    assert line.endswith("source an up-to-date ROS 2 Jazzy or a later distribution")


def test_an_emergency_stop_does_not_depend_on_the_distribution(rclpy: Path) -> None:
    (rclpy / "experimental" / "events_executor.py").unlink()
    done = run(rclpy, "dbp_ros.cli", "stop", "--help")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_distribution_for_another_python_is_refused(rclpy: Path) -> None:
    extension = rclpy / f"_rclpy_pybind11{EXTENSION_SUFFIXES[0]}"
    other = extension.rename(rclpy / "_rclpy_pybind11.cpython-38-x86_64-linux-gnu.so")
    done = run(rclpy, "dbp_ros.nodes.guard_node")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(f"error: rclpy in {rclpy} is not built for Python 3.")
    assert other.name in line


def test_the_installed_distribution_is_supported() -> None:
    if missing("ros"):
        pytest.skip("ROS 2 is not installed")
    assert ros_problem() == ""


def test_a_machine_without_pip_packages_of_ros_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert "for Linux on x86_64 only, not for linux on aarch64" in wheels_problem()
    monkeypatch.setattr("dbp_ros.extras.is_missing", lambda library: True)
    assert install_hint("rclpy", ("ros",)) == wheels_problem()


def test_setup_refuses_an_old_python() -> None:
    script = (
        "import runpy, setuptools, sys\n"
        "sys.version_info = (3, 9, 1, 'final', 0)\n"
        "runpy.run_path('setup.py')"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: dbp_ros requires Python 3.10 or later, and this is Python 3.9\n"
