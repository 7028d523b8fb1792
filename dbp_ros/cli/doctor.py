"""`dbp doctor`: examine this computer and the running stack, with a remedy for every fault."""

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path

from dbp_ros.cli.operator_verbs import add_namespace
from dbp_ros.cli.status import take_complete_snapshot
from dbp_ros.diagnosis.machine import MachineSnapshot, read_machine
from dbp_ros.diagnosis.machine_rules import evaluate_machine
from dbp_ros.diagnosis.rules import evaluate_optional_stack, exit_status
from dbp_ros.diagnosis.snapshot import Snapshot
from dbp_ros.diagnosis.text import finding_lines, findings_data
from dbp_ros.ros_support import ros_problem


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Examine this computer (real-time privileges, network buffers, processor, memory, disk, "
        "clock, GPU, ROS 2) and, if a stack runs, its nodes, topics, types, QoS, rates, names and "
        "timestamps. Print each fault with the command that removes it. Exit status: 0 without "
        "faults, 1 for warnings, 2 for errors."
    )
    add_namespace(parser)
    parser.add_argument(
        "--recordings",
        type=Path,
        default=Path("runs"),
        help="folder whose free space is checked, such as recordings or runs/learner "
        "(default: runs)",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; return 2 for errors, 1 for warnings, else 0."""
    machine = read_machine(Path("/"), os.environ, arguments.recordings, ros_problem())
    snapshot = Snapshot() if machine.ros_problem else take_complete_snapshot(arguments.namespace)
    findings = [*evaluate_machine(machine, snapshot), *evaluate_optional_stack(snapshot)]
    findings.sort(key=lambda finding: -finding.level)
    if arguments.json:
        print(json.dumps({**findings_data(findings), "machine": asdict(machine)}, indent=2))
    else:
        print(_summary(machine, snapshot))
        print("\n".join(finding_lines(findings)))
    return exit_status(findings)


def _summary(machine: MachineSnapshot, snapshot: Snapshot) -> str:
    running = [name for name, node in snapshot.nodes.items() if node.copies]
    ros = machine.ros_distribution or "wheels of pip"
    return (
        f"{machine.cores} cores, Python {machine.python}, ROS 2 {ros}, "
        f"{machine.disk_free_bytes >> 30} GB free, stack: {', '.join(running) or 'not running'}\n"
    )
