"""The swap status of the policy, received while the arms move."""

import json
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from processes.fake_robot import CONFIG, FakeRobot, assert_within_limits, wait_until
from std_msgs.msg import String

from dbp_ros.nodes.qos import LATCHED

NOISE_MEAN = 127.5
ARMS = ["gripper" not in joint for joint in CONFIG.joints]


class SwapListener:
    """Receives the swap status and the diagnostics of the policy."""

    def __init__(self, robot: FakeRobot) -> None:
        self.statuses: list[dict[str, Any]] = []
        self.diagnostics: list[DiagnosticStatus] = []
        robot.create_subscription(String, "policy/model", self._on_status, LATCHED)
        robot.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics += [status for status in message.status if status.name == "policy"]

    def _on_status(self, message: String) -> None:
        self.statuses.append(json.loads(message.data))

    def wait_for_warning(self, swap: dict[str, Any]) -> None:
        """Wait until the diagnostics warn of a swap status, with its reason."""

        def warned() -> bool:
            if not self.diagnostics:
                return False
            status = self.diagnostics[-1]
            values = {item.key: item.value for item in status.values}
            return (
                status.level == DiagnosticStatus.WARN
                and swap["reason"] in status.message
                and values["model.phase"] == swap["phase"]
                and values["model.candidate"] == swap["candidate"]
                and values["model.candidate_reason"] == swap["reason"]
                and values["model.sha256"] == swap["sha256"]
            )

        wait_until(warned, f"a warning of {swap}", lambda: str(self.diagnostics[-1:]))

    def wait_for(self, **wanted: Any) -> dict[str, Any]:
        """Wait for a status with some fields, received before or after this call."""

        def found() -> list[dict[str, Any]]:
            return [status for status in self.statuses if wanted.items() <= status.items()]

        wait_until(lambda: bool(found()), str(wanted), lambda: str(self.statuses[-3:]))
        return found()[0]


def moves(robot: FakeRobot) -> bool:
    """Whether every joint of both arms moved in the last twenty commands."""
    last = np.array([command for _, command in robot.commands[-20:]])
    return len(last) == 20 and bool(np.ptp(last, axis=0)[ARMS].all())


def assert_moves_on(robot: FakeRobot) -> None:
    count = len(robot.commands)
    wait_until(
        lambda: len(robot.commands) > count + 50 and moves(robot),
        "the arms to move on",
        lambda: str(robot.states),
    )
    assert_within_limits(robot)
