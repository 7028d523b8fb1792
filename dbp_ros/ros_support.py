"""Checks that this computer and its ROS 2 distribution are supported, without importing rclpy."""

import importlib.util
import os
import platform
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

# CPU architecture of the ROS 2 wheels for pip.
WHEEL_ARCHITECTURE = "x86_64"
EXTENSION = "_rclpy_pybind11"


def ros_problem() -> str:
    """Return why the installed ROS 2 is not supported; empty if it is, or if none is installed."""
    spec = importlib.util.find_spec("rclpy")
    if spec is None or spec.origin is None:
        return ""
    rclpy = Path(spec.origin).parent
    # Iron and older distributions have no EventsExecutor; Jazzy has it since a later update.
    if not any(rclpy.glob("experimental/events_executor*")):
        distribution = os.environ.get("ROS_DISTRO", "").capitalize()
        return (
            f"ROS 2 {distribution or 'distribution'} in {rclpy} is not supported, its rclpy has no "
            "EventsExecutor: source an up-to-date ROS 2 Jazzy or a later distribution"
        )
    if not any((rclpy / f"{EXTENSION}{suffix}").is_file() for suffix in EXTENSION_SUFFIXES):
        built = ", ".join(sorted(path.name for path in rclpy.glob(f"{EXTENSION}.*"))) or "none"
        return (
            f"rclpy in {rclpy} is not built for Python {platform.python_version()} (found: "
            f"{built}): run dbp_ros with the Python of that ROS 2 installation"
        )
    return ""


def has_system_ros() -> bool:
    """Return whether rclpy is that of a ROS 2 installation, outside of this Python's folder."""
    spec = importlib.util.find_spec("rclpy")
    return bool(spec and spec.origin and not Path(spec.origin).is_relative_to(sys.prefix))


def supported_distribution() -> str:
    """Return the name of the sourced ROS 2 distribution; exit with one sentence if unsupported."""
    if problem := ros_problem():
        raise SystemExit(f"error: {problem}")
    return os.environ.get("ROS_DISTRO", "")


def wheels_problem() -> str:
    """Return why pip cannot install ROS 2 on this computer; empty if it can."""
    if sys.platform == "linux" and platform.machine() == WHEEL_ARCHITECTURE:
        return ""
    return (
        f"pip has ROS 2 packages for Linux on {WHEEL_ARCHITECTURE} only, not for {sys.platform} on "
        f"{platform.machine()}: install and source ROS 2 Jazzy, or use docker/"
    )


def require_wheels() -> None:
    """Exit with one sentence if pip cannot install ROS 2 on this computer."""
    if problem := wheels_problem():
        raise SystemExit(f"error: {problem}")
