"""A toy policy, a fake guard, and a listener to the diagnostics of a learner."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from processes.fake_robot import CAMERA, FakeRobot, wait_until
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from toy_episodes import episode
from toy_training import CONFIG

from dbp_ros.guard_state import NOT_ENABLED
from dbp_ros.learning.checkpoint import read_checkpoint
from dbp_ros.learning.dataset import join_episodes
from dbp_ros.learning.export import ExportMetadata, export_bundle
from dbp_ros.learning.trainer import Trainer
from dbp_ros.nodes.qos import LATCHED
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS

# The machine is shared with other processes.
LIMIT_S = 200.0


def demonstration(seed: int):
    """Return an episode in which both arms move a little from the pose of the robot."""
    one = episode(seed)
    nu, rng = len(DUAL_UR5E_JOINTS), np.random.default_rng(seed)
    path = np.full((len(one) + 1, nu), 0.04, np.float32)
    path += np.linspace(0, rng.uniform(0.005, 0.02), len(path), dtype=np.float32)[:, None]
    return replace(
        one,
        state_names=DUAL_UR5E_JOINTS,
        action_names=DUAL_UR5E_JOINTS,
        states=path[:-1],
        actions=path[1:],
        images={CAMERA: one.images["head"]},
    )


def imitate(folder: Path) -> Path:
    """Write a run and the bundle that is exported from it; return the folder of both."""
    data = join_episodes((demonstration(index), str(index)) for index in range(4))
    Trainer(CONFIG, data, folder / "run").train()
    export_bundle(
        read_checkpoint(folder / "run"), data, folder / "models" / "toy", ExportMetadata("toy")
    )
    return folder


def publish_control(robot: FakeRobot) -> None:
    """Act as a guard that tracks chunks, until control is disabled."""
    state = robot.create_publisher(String, "guard/state", LATCHED)

    def enable(request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        state.publish(String(data="tracking" if request.data else f"disabled: {NOT_ENABLED}"))
        response.success = True
        return response

    robot.create_service(SetBool, "guard/enable_control", enable)
    state.publish(String(data="tracking"))


class DiagnosticsListener:
    """Listener to the diagnostics; repeats service calls without a response."""

    def __init__(self, robot: FakeRobot) -> None:
        self._robot = robot
        self.values: dict[str, dict[str, str]] = {"learner": {}, "policy": {}}
        robot.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.values[status.name] = {item.key: item.value for item in status.values}

    def wait_for(self, name: str, key: str, *values: str) -> None:
        wait_until(
            lambda: self.values[name].get(key) in values,
            f"{name} to report {key} = {' or '.join(values)}",
            lambda: f"{self._robot.states} {self.values}",
            LIMIT_S,
        )

    def trigger(self, service: str) -> None:
        client = self._robot.create_client(Trigger, service)
        assert client.wait_for_service(timeout_sec=20.0), f"{service} is not available"
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            future, timeout = client.call_async(Trigger.Request()), time.monotonic() + 5.0
            while not future.done() and time.monotonic() < timeout:
                time.sleep(0.01)
            if future.done():
                return
        raise AssertionError(f"{service} does not respond")

    def explore_for(self, seconds: float) -> None:
        self.wait_for("learner", "recording", "True")
        time.sleep(seconds)
