"""The simulated cell as a process, with a real guard over DDS."""

import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
from processes.fake_robot import process, wait_until
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.nodes.conversions import ChunkWriter, SteadyClock
from dbp_ros.nodes.process import spinning
from dbp_ros.nodes.qos import COMMAND, LATCHED, SENSOR
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.settings.controllers import ControllersConfig
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.simulation import SimulationConfig
from dbp_ros.types import ActionChunk

CONFIG = ControllersConfig()
ARM = "left_forward_position_controller"
LEFT_ELBOW, RIGHT_ELBOW = (CONFIG.joints.index(f"{s}_elbow_joint") for s in ("left", "right"))
SWING_RAD, SWING_S = 0.2, 2.0
# Deflection of the servos under gravity, and range of an arm at rest.
SAG_RAD, STILL_RAD = 0.02, 0.01
# At the velocity limit in three periods, as joint states may be lost.
LARGEST_STEP_RAD = 3 * max(GuardConfig.velocity_limit) / SimulationConfig.joint_state_rate_hz


class Operator(Node):
    """Node that records joints and states, calls services, and swings both elbows on request."""

    def __init__(self) -> None:
        super().__init__("operator")
        self.states: dict[str, str] = {}
        self.positions: np.ndarray | None = None
        self.largest_step = 0.0
        self.middle: np.ndarray | None = None
        for name in ("guard", "simulation"):
            self.create_subscription(
                String, f"{name}/state", lambda m, n=name: self.states.update({n: m.data}), LATCHED
            )
        self.create_subscription(JointState, "joint_states", self.on_joint_states, SENSOR)
        self.writer = ChunkWriter(CONFIG.joints, SteadyClock(self.get_clock()))
        self.chunks = self.create_publisher(JointTrajectory, "action_chunk", COMMAND)
        self.swing = RateThread("swing", 50, self.publish_chunk)

    def on_joint_states(self, message: JointState) -> None:
        before, self.positions = self.positions, np.array(message.position)
        if before is not None:
            self.largest_step = max(self.largest_step, np.abs(self.positions - before).max())

    def publish_chunk(self, now_ns: int) -> None:
        if self.middle is not None:
            due_ns = now_ns + 20_000_000 * np.arange(1, 9)
            positions = np.repeat(self.middle[None], len(due_ns), axis=0)
            angle = SWING_RAD * np.sin(2 * np.pi * due_ns / 1e9 / SWING_S)
            positions[:, [LEFT_ELBOW, RIGHT_ELBOW]] += angle[:, None]
            self.chunks.publish(self.writer.write(ActionChunk(positions, due_ns, now_ns)))

    def call(self, service: str, data: bool | None = None) -> tuple[bool, str]:
        kind = Trigger if data is None else SetBool
        client = self.create_client(kind, service)
        assert client.wait_for_service(timeout_sec=30.0), f"no node offers {service}"
        future = client.call_async(kind.Request() if data is None else kind.Request(data=data))
        wait_until(future.done, f"{service} to answer", lambda: str(self.states))
        return future.result().success, future.result().message

    def enable(self) -> None:
        """Enable control, which the guard rejects while the arms settle."""
        wait_until(lambda: self.call("guard/enable_control", True)[0], "control to be enabled")

    def wait_for_state(self, name: str, words: str) -> None:
        wait_until(lambda: words in self.states.get(name, ""), words, lambda: str(self.states), 30)

    def travel(self, seconds: float) -> np.ndarray:
        """Return the range of each joint in a time."""
        samples, end_s = [self.positions], time.monotonic() + seconds
        while time.monotonic() < end_s:
            samples.append(self.positions)
            time.sleep(0.01)
        return np.ptp(samples, axis=0)


@pytest.fixture
def operator(domain: int) -> Iterator[Operator]:
    with spinning(Operator) as node:
        yield node
        node.swing.stop()


@pytest.fixture
def cell(operator: Operator) -> Iterator[subprocess.Popen[str]]:
    with process("sim_node", task="reach", camera_backend="raycast") as child:
        operator.wait_for_state("simulation", "reach, seed 100000")
        yield child


@pytest.fixture
def swinging(operator: Operator, cell: subprocess.Popen[str]) -> Iterator[Operator]:
    """Swing both elbows under the guard."""
    with process("guard_node"):
        operator.wait_for_state("guard", "disabled")
        operator.enable()
        operator.middle = operator.positions
        operator.swing.start()
        wait_until(lambda: moves(operator, LEFT_ELBOW, RIGHT_ELBOW), "both arms to swing")
        yield operator


def moves(operator: Operator, *joints: int) -> bool:
    return bool((operator.travel(0.3)[list(joints)] > STILL_RAD).all())


def dbp(*words: str) -> str:
    """Run a command, and return its output."""
    command = [sys.executable, "-m", "dbp_ros.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_deactivated_controller_holds_its_arm_and_the_guard_disables_control(
    swinging: Operator,
) -> None:
    assert dbp("cell", "deactivate", ARM) == f"{ARM} is inactive"
    swinging.wait_for_state("simulation", f"{ARM} is inactive: call {ARM}/activate")
    swinging.wait_for_state("guard", "disabled: control was disabled by a fault")
    assert swinging.travel(1.0).max() < STILL_RAD
    accepted, problem = swinging.call("guard/enable_control", True)
    assert not accepted
    assert ARM in problem
    swinging.largest_step = 0.0
    assert dbp("cell", "activate", ARM) == f"{ARM} is active"
    swinging.wait_for_state("simulation", "reach, seed 100000")
    assert swinging.travel(0.5).max() < STILL_RAD
    swinging.enable()
    wait_until(lambda: moves(swinging, LEFT_ELBOW, RIGHT_ELBOW), "both arms to swing")
    assert swinging.largest_step < LARGEST_STEP_RAD


def test_a_protective_stop_holds_both_arms_and_ends_without_a_jump(
    swinging: Operator,
) -> None:
    assert dbp("cell", "protective-stop") == "the arms hold"
    swinging.wait_for_state("simulation", "a protective stop holds the arms")
    time.sleep(0.2)
    swinging.largest_step = 0.0
    assert swinging.travel(1.0).max() < STILL_RAD
    assert dbp("cell", "protective-stop", "--end") == "the arms follow their controllers"
    swinging.wait_for_state("simulation", "reach, seed 100000")
    time.sleep(0.5)
    assert swinging.largest_step < LARGEST_STEP_RAD


def test_a_new_episode_is_one_call_and_a_reset_under_control_is_rejected(
    swinging: Operator,
) -> None:
    done, problem = swinging.call("simulation/reset")
    assert not done
    assert "simulation/new_episode" in problem
    swinging.middle = None
    done = dbp("episode", "new")
    assert done == "the cell is at the start of reach, seed 100001; control is enabled again"
    swinging.wait_for_state("guard", "holding: waiting for a chunk")
    assert swinging.travel(0.5).max() < SAG_RAD
    assert swinging.call("guard/enable_control", False)[0]
    swinging.wait_for_state("guard", "disabled")
    done, what = swinging.call("simulation/new_episode")
    assert done, what
    assert what == "the cell is at the start of reach, seed 100002; control is disabled, as before"
    swinging.wait_for_state("guard", "disabled")
    done = swinging.call("simulation/reset")
    assert done == (True, "the cell is at the start of reach, seed 100003")


def test_a_second_cell_refuses_to_start(operator: Operator, cell: subprocess.Popen[str]) -> None:
    command = [sys.executable, "-m", "dbp_ros.nodes.sim_node", "--ros-args", "-p", "task:=reach"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert second.returncode == 1
    errors = [line for line in second.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "/simulation publishes left_elbow_joint and 13 more joints" in errors[0]
    assert "ROS_DOMAIN_ID" in errors[0]
    time.sleep(0.5)
    assert cell.poll() is None
    assert operator.states["simulation"] == "reach, seed 100000"


def test_a_cell_shuts_down_if_a_robot_starts_later(
    operator: Operator, cell: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    robot = operator.create_publisher(JointState, "joint_states", SENSOR)
    message = JointState(name=["wheel_joint"], position=[0.0])

    def publish(_: int) -> None:
        robot.publish(message)

    driver = RateThread("driver", 50, publish)
    driver.start()
    time.sleep(1.0)
    assert cell.poll() is None, "other joints are no conflict"
    message = JointState(name=["left_elbow_joint"], position=[0.0])
    operator.wait_for_state("simulation", "shutting down: /operator publishes left_elbow_joint")
    assert cell.wait(10) == 1
    driver.stop()
