"""`dbp doctor`: a healthy computer has no finding, each planted fault is found with its remedy."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from diagnosis.snapshots import HEALTHY, with_camera, with_parameter

from dbp_ros.cli.main import main
from dbp_ros.diagnosis.findings import ERROR, NOTE, WARNING
from dbp_ros.diagnosis.machine import MachineSnapshot, read_machine
from dbp_ros.diagnosis.machine_rules import evaluate_machine
from dbp_ros.diagnosis.snapshot import Snapshot, TopicStream

GB = 1 << 30
HD = TopicStream((), 30.0, 0.02, message_bytes=2_764_800)
LOSSY = replace(HD, lost_share=0.3)
CUDA = with_parameter("policy", execution_provider="cuda")
BOTH = {"onnxruntime": "1.23.0", "onnxruntime-gpu": "1.23.0"}
FAULTS: list[tuple[dict[str, Any], Snapshot, int, str, str]] = [
    ({"max_priority": 0}, HEALTHY, WARNING, "largest priority is 0", "rtprio 50"),
    ({"locked_memory_bytes": 8 << 20}, HEALTHY, WARNING, "may lock 8 MB", "memlock unlimited"),
    ({"realtime_share": 0.5}, HEALTHY, WARNING, "may use 50%", "sched_rt_runtime_us"),
    ({"preempt_rt": False}, HEALTHY, NOTE, "without PREEMPT_RT", "realtime-kernel"),
    ({"cores": 1}, HEALTHY, ERROR, "1 core for all processes", "at least 2 cores"),
    ({"governors": ("powersave",)}, HEALTHY, WARNING, "governor powersave", "cpupower"),
    ({"memory_available_bytes": 300 << 20}, HEALTHY, ERROR, "300 MB available", "end other"),
    ({"swap_used_bytes": 3 * GB}, HEALTHY, WARNING, "3 GB are swapped out", "swapoff"),
    ({"disk_free_bytes": 10 * GB}, HEALTHY, WARNING, "10 GB free for runs", "max_bags_mb"),
    ({"disk_free_bytes": GB}, HEALTHY, ERROR, "1 GB free for runs", "delete old recordings"),
    (
        {"receive_buffer_bytes": 212_992},
        with_camera(HD),
        WARNING,
        "rmem_max is 208 kB, two images of each camera need 5.27 MB",
        "sudo sysctl -w net.core.rmem_max=67108864",
    ),
    ({"receive_buffer_bytes": 212_992}, HEALTHY, WARNING, "images of three cameras", "rmem_max"),
    (
        {},
        with_camera(LOSSY),
        ERROR,
        "images are being lost: /head_camera/image_raw (30%)",
        "sysctl",
    ),
    ({"dropped_datagrams": 12}, HEALTHY, NOTE, "12 UDP datagrams were dropped", "rmem_max"),
    ({"clock_is_synchronised": False}, HEALTHY, WARNING, "not synchronised", "set-ntp true"),
    ({}, CUDA, ERROR, "execution_provider is cuda, but there is no NVIDIA driver", "cpu"),
    (
        {"has_nvidia": True, "packages": {"onnxruntime": "1.23.0"}},
        CUDA,
        ERROR,
        "onnxruntime is the CPU build",
        "pip install onnxruntime-gpu",
    ),
    ({"packages": BOTH}, HEALTHY, ERROR, "contain the same files", "install one of them"),
    ({"ros_problem": "Humble is not supported"}, HEALTHY, ERROR, "Humble is not", "source a supp"),
    ({"ros_distribution": "rolling"}, HEALTHY, WARNING, "rolling was not tested", "source one"),
    ({"middleware": "rmw_cyclonedds_cpp"}, HEALTHY, WARNING, "rmw_cyclonedds_cpp", "export RMW_"),
    (
        {"ros_distribution": "jazzy", "packages": {"numpy": "2.3.1"}},
        HEALTHY,
        ERROR,
        "numpy is 2.3.1, but the messages of jazzy",
        "pip install 'numpy<2'",
    ),
    ({"domain": ""}, HEALTHY, NOTE, "ROS_DOMAIN_ID is not set", "export ROS_DOMAIN_ID=7"),
    ({"domain": "", "discovery_range": ""}, HEALTHY, WARNING, "with the network", "ROS_DOMAIN_ID"),
]


def test_a_healthy_computer_has_no_finding() -> None:
    assert evaluate_machine(MachineSnapshot(), HEALTHY) == []
    assert evaluate_machine(MachineSnapshot(), Snapshot()) == []


@pytest.mark.parametrize(("machine", "stack", "level", "sentence", "action"), FAULTS)
def test_a_planted_fault_is_found(
    machine: dict[str, Any], stack: Snapshot, level: int, sentence: str, action: str
) -> None:
    (finding,) = evaluate_machine(MachineSnapshot(**machine), stack)
    assert finding.level == level
    assert sentence in finding.sentence
    assert action in finding.action


def test_root_needs_no_limits() -> None:
    machine = MachineSnapshot(is_root=True, max_priority=0, locked_memory_bytes=1)
    assert evaluate_machine(machine, HEALTHY) == []


def test_errors_come_first() -> None:
    machine = MachineSnapshot(preempt_rt=False, cores=1, governors=("powersave",))
    levels = [finding.level for finding in evaluate_machine(machine, HEALTHY)]
    assert levels == [ERROR, WARNING, NOTE]


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")


def test_faults_in_the_files_of_the_kernel_are_read(tmp_path: Path) -> None:
    governor = "sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor"
    write(
        tmp_path,
        {
            "proc/sys/net/core/rmem_max": "212992",
            "proc/net/snmp": "Udp: InDatagrams RcvbufErrors\nUdp: 100 7",
            "proc/meminfo": "MemAvailable: 512 kB\nSwapTotal: 900 kB\nSwapFree: 100 kB",
            "proc/sys/kernel/sched_rt_period_us": "1000000",
            "proc/sys/kernel/sched_rt_runtime_us": "500000",
            "sys/kernel/realtime": "1",
            governor.format(0): "powersave",
            governor.format(1): "performance",
            "run/systemd/timesync/clock": "",
        },
    )
    found = read_machine(tmp_path, {"ROS_DISTRO": "kilted"}, tmp_path / "runs" / "new", "")
    assert found.receive_buffer_bytes == 212_992
    assert found.dropped_datagrams == 7
    assert found.memory_available_bytes == 512 * 1024
    assert found.swap_used_bytes == 800 * 1024
    assert found.realtime_share == 0.5
    assert found.preempt_rt
    assert found.governors == ("performance", "powersave")
    assert found.clock_is_synchronised is False
    assert found.disk_free_bytes > 0
    assert (found.ros_distribution, found.domain) == ("kilted", "")
    assert not found.has_nvidia


def test_a_system_without_these_files_gives_no_wrong_finding(tmp_path: Path) -> None:
    found = read_machine(tmp_path, {}, tmp_path, "")
    assert found.clock_is_synchronised is None
    assert found.governors == ()
    assert found.realtime_share == 1.0
    assert found.dropped_datagrams == 0


def test_an_unlimited_share_of_real_time_processes_is_no_fault(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/sys/kernel/sched_rt_period_us": "1000000",
            "proc/sys/kernel/sched_rt_runtime_us": "-1",
        },
    )
    assert read_machine(tmp_path, {}, tmp_path, "").realtime_share == 1.0


def test_this_computer_is_examined(domain: int, capfd: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--json"])
    found = json.loads(capfd.readouterr().out)
    assert found["exit_status"] == status
    assert found["machine"]["cores"] >= 1
    assert all(finding["action"] for finding in found["findings"])
