"""`dbp demo --robot`: the simulated arms of a description move joint by joint under the guard."""

import json
import subprocess
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dbp_ros.errors import DbpError
from dbp_ros.evaluation.report import machine_info
from dbp_ros.evaluation.running_stack import Log, log_tail, module_process, own_domain
from dbp_ros.files import require_folder, write_text
from dbp_ros.nodes.connection import connected
from dbp_ros.nodes.joint_test import JointMotion, run_joint_test
from dbp_ros.nodes.operator_client import OperatorClient
from dbp_ros.stack.preflight import checked_processes
from dbp_ros.stack.processes import StackConfig

START_LIMIT_S = 60.0
RETRY_S = 0.5


@dataclass(frozen=True)
class RobotDemoResult:
    """Result of a demo of a robot.

    Attributes:
        robot: Its description.
        motions: Measured motion of each joint.
        guard: Statistics of the guard.
    """

    robot: str
    motions: list[JointMotion]
    guard: dict[str, Any]

    @property
    def problems(self) -> list[str]:
        """Joints that did not follow, and stops of the guard."""
        found = [motion.problem for motion in self.motions if motion.problem]
        if stops := self.guard["tracking_stops"]:
            found.append(f"the guard stopped the arms {stops} times")
        return found


def run_robot_demo(robot: str, out: Path, status: Log) -> RobotDemoResult:
    """Start simulation and guard of a robot, and move each joint in turn.

    DDS traffic stays on this machine, in a ROS domain of its own.

    Args:
        robot: Name of a description in `config/robots/`, or the path of a file.
        out: Folder of the log.
        status: Sets the status line.

    Raises:
        DbpError: If the description is invalid, or the stack does not start or respond.
    """
    require_folder(out)
    checked_processes(StackConfig(robot=robot, sim=True, policy=False))
    log = out / "stack.log"
    with ExitStack() as resources:
        resources.enter_context(own_domain())
        up = ("dbp_ros.cli", "up", "--robot", robot, "--sim", "--no-policy")
        stack = resources.enter_context(module_process(up, log))
        operator = resources.enter_context(connected(purpose="demo"))
        status("starting the stack")
        _enable(operator, stack, log)
        operator.trigger("guard/clear_statistics")
        motions = run_joint_test(operator, status, enable=True)
        return RobotDemoResult(robot, motions, json.loads(operator.trigger("guard/statistics")))


def write_robot_results(folder: Path, demo: RobotDemoResult) -> None:
    """Write `robot.json` and a plot of commanded and measured motion."""
    report = {
        "robot": demo.robot,
        "joints": [asdict(motion) for motion in demo.motions],
        "guard": demo.guard,
        "machine": machine_info(),
    }
    write_text(folder / "robot.json", json.dumps(report, indent=2) + "\n")
    rows = np.arange(len(demo.motions))
    figure = Figure(figsize=(7, 0.3 * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    axes.barh(rows - 0.2, [m.commanded for m in demo.motions], 0.4, label="commanded")
    axes.barh(rows + 0.2, [m.moved for m in demo.motions], 0.4, label="measured")
    axes.set_yticks(rows, [motion.joint for motion in demo.motions])
    axes.invert_yaxis()
    axes.set_xlabel("largest displacement [rad, m]")
    axes.set_title(f"{demo.robot}: each joint in turn")
    axes.legend()
    figure.savefig(folder / "robot.png", dpi=120)


def _enable(operator: OperatorClient, stack: "subprocess.Popen[bytes]", log: Path) -> None:
    """Enable control as soon as the guard accepts it."""
    deadline_s = time.monotonic() + START_LIMIT_S
    while True:
        if stack.poll() is not None:
            raise DbpError(f"the stack ended; the end of {log}:\n{log_tail(log)}")
        try:
            operator.enable_control(True)
            return
        except DbpError as error:
            if time.monotonic() > deadline_s:
                raise DbpError(f"{error}; the end of {log}:\n{log_tail(log)}") from error
            operator.spin(RETRY_S)
