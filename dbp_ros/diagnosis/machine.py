"""Snapshot of this computer: rights, network buffers, clock, GPU, disk and ROS 2."""

import os
import platform
import resource
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

# Packages whose versions matter; either build of ONNX Runtime.
PACKAGES = ("numpy", "onnxruntime", "onnxruntime-gpu")


@dataclass(frozen=True)
class MachineSnapshot:
    """Input of the rules for the computer.

    Attributes:
        cores: Number of cores that a process may use.
        is_root: Whether this process has all rights.
        max_priority: Largest real-time priority that a process may request.
        locked_memory_bytes: Memory that a process may lock; -1 without a limit.
        preempt_rt: Whether the kernel has PREEMPT_RT.
        realtime_share: Share of the time that real-time processes may use; 1 without a limit.
        governors: CPU frequency governors in use.
        receive_buffer_bytes: Largest receive buffer of a socket, net.core.rmem_max; 0 if unknown.
        dropped_datagrams: UDP datagrams dropped for lack of buffer since the start.
        memory_available_bytes: Available memory.
        swap_used_bytes: Used swap space.
        disk_free_bytes: Free space of the folder of recordings.
        disk_folder: That folder.
        clock_is_synchronised: Whether the clock is set by NTP or PTP; None if unknown.
        has_nvidia: Whether there is an NVIDIA GPU.
        packages: Versions of installed packages by name.
        ros_distribution: Name of the sourced ROS 2 distribution; empty for the wheels of pip.
        ros_problem: Why it is not supported; empty if it is.
        middleware: Value of RMW_IMPLEMENTATION; empty if not set.
        domain: Value of ROS_DOMAIN_ID; empty if not set.
        discovery_range: Value of ROS_AUTOMATIC_DISCOVERY_RANGE; empty if not set.
        python: Version of Python.
        launch_is_installed: Whether `ros2 launch` is available.
    """

    cores: int = 8
    is_root: bool = False
    max_priority: int = 99
    locked_memory_bytes: int = -1
    preempt_rt: bool = True
    realtime_share: float = 1.0
    governors: tuple[str, ...] = ("performance",)
    receive_buffer_bytes: int = 1 << 26
    dropped_datagrams: int = 0
    memory_available_bytes: int = 1 << 34
    swap_used_bytes: int = 0
    disk_free_bytes: int = 1 << 38
    disk_folder: str = "runs"
    clock_is_synchronised: bool | None = True
    has_nvidia: bool = False
    packages: Mapping[str, str] = field(default_factory=dict)
    ros_distribution: str = ""
    ros_problem: str = ""
    middleware: str = ""
    domain: str = "7"
    discovery_range: str = "LOCALHOST"
    python: str = "3.12.3"
    launch_is_installed: bool = True


def read_machine(
    root: Path, environment: Mapping[str, str], folder: Path, ros_problem: str
) -> MachineSnapshot:
    """Return the snapshot of this computer.

    Args:
        root: Root of the file system, `/`.
        environment: Environment variables.
        folder: Folder of recordings; its nearest existing parent is measured.
        ros_problem: Why the installed ROS 2 is not supported; empty if it is.
    """
    existing = next(
        path for path in (folder.absolute(), *folder.absolute().parents) if path.exists()
    )
    memory = _table(root / "proc/meminfo")
    return MachineSnapshot(
        cores=len(os.sched_getaffinity(0)),
        is_root=os.geteuid() == 0,
        max_priority=resource.getrlimit(resource.RLIMIT_RTPRIO)[0],
        locked_memory_bytes=resource.getrlimit(resource.RLIMIT_MEMLOCK)[0],
        preempt_rt=_text(root / "sys/kernel/realtime") == "1",
        realtime_share=_realtime_share(root),
        governors=tuple(
            sorted(
                {
                    _text(path)
                    for path in root.glob("sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")
                }
            )
        ),
        receive_buffer_bytes=_integer(root / "proc/sys/net/core/rmem_max"),
        dropped_datagrams=_receive_errors(root),
        memory_available_bytes=1024 * memory.get("MemAvailable", 0),
        swap_used_bytes=1024 * (memory.get("SwapTotal", 0) - memory.get("SwapFree", 0)),
        disk_free_bytes=shutil.disk_usage(existing).free,
        disk_folder=str(folder),
        clock_is_synchronised=_is_synchronised(root),
        has_nvidia=(root / "proc/driver/nvidia/version").exists(),
        packages={name: found for name in PACKAGES if (found := _version(name))},
        ros_distribution=environment.get("ROS_DISTRO", ""),
        ros_problem=ros_problem,
        middleware=environment.get("RMW_IMPLEMENTATION", ""),
        domain=environment.get("ROS_DOMAIN_ID", ""),
        discovery_range=environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE", ""),
        python=platform.python_version(),
        launch_is_installed=find_spec("launch_ros") is not None,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _integer(path: Path) -> int:
    text = _text(path)
    return int(text) if text.lstrip("-").isdigit() else 0


def _table(path: Path) -> dict[str, int]:
    """Return the numbers in a file of lines `name: number unit`."""
    words = (line.replace(":", " ").split() for line in _text(path).splitlines())
    return {word[0]: int(word[1]) for word in words if len(word) > 1 and word[1].isdigit()}


def _realtime_share(root: Path) -> float:
    period = _integer(root / "proc/sys/kernel/sched_rt_period_us")
    runtime = _integer(root / "proc/sys/kernel/sched_rt_runtime_us")
    return runtime / period if period > 0 and runtime >= 0 else 1.0


def _receive_errors(root: Path) -> int:
    """Return the UDP datagrams that were dropped as the receive buffer was full."""
    rows = [line.split() for line in _text(root / "proc/net/snmp").splitlines()]
    udp = [row for row in rows if row and row[0] == "Udp:"]
    if len(udp) < 2 or "RcvbufErrors" not in udp[0]:
        return 0
    return int(udp[1][udp[0].index("RcvbufErrors")])


def _is_synchronised(root: Path) -> bool | None:
    """Return whether a time service has set the clock, None if none of the known ones runs."""
    if (root / "run/systemd/timesync").exists():
        return (root / "run/systemd/timesync/synchronized").exists()
    return True if (root / "run/chrony").exists() or (root / "run/ptp4l").exists() else None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
