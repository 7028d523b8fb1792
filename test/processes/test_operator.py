"""Operator verbs such as `dbp enable` against a real guard, each as a process."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes.dbp_command import DBP, run_dbp
from processes.fake_robot import (
    FakeRobot,
    assert_within_limits,
    moves,
    process,
    rests,
    wait_until,
)
from processes.swap_listener import NOISE_MEAN
from processes.turner import write_turner
from trajectory_msgs.msg import JointTrajectory

HOME = [0.2, -0.3, 0.25, -0.2, -0.1, 0.1, 0.07, 0.3, -0.2, 0.2, -0.25, 0.0, 0.15, 0.03]
HOME_SPEED = 0.4


def test_an_operator_stops_resets_enables_and_disables_a_guard(
    robot: FakeRobot, guard: "subprocess.Popen[str]"
) -> None:
    done = run_dbp("stop")
    assert (done.returncode, "stopped: /guard" in done.stdout) == (0, True), done
    robot.wait_for_state("guard", "stopped: e-stop")
    refused = run_dbp("enable")
    assert refused.returncode == 1
    assert "a stop is latched (e-stop): reset it first" in refused.stderr
    assert run_dbp("reset").returncode == 0
    robot.wait_for_state("guard", "disabled")
    done = run_dbp("enable")
    assert done.returncode == 0, done.stderr
    robot.wait_for_state("guard", "holding")
    assert run_dbp("disable").returncode == 0
    robot.wait_for_state("guard", "disabled")


def test_a_stop_takes_less_than_200_ms_from_the_key_press(
    robot: FakeRobot, guard: "subprocess.Popen[str]"
) -> None:
    latencies_s = []
    for _ in range(3):
        pressed = time.monotonic()
        with subprocess.Popen([*DBP, "stop"], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            # The line follows the response of the guard.
            assert child.stdout.readline().startswith("stopped: /guard")
            latencies_s.append(time.monotonic() - pressed)
    robot.wait_for_state("guard", "stopped: e-stop")
    # Other processes may delay single runs.
    assert min(latencies_s) < 0.2, latencies_s


def test_a_missing_service_is_explained_by_similar_ones(domain: int) -> None:
    with process("guard_node", remaps=["__ns:=/cell_1"]):
        wait_until(lambda: "/cell_1" in run_dbp("enable").stderr, "the guard to be discovered")
        missing = run_dbp("enable")
    assert missing.returncode == 1
    assert f"ROS_DOMAIN_ID={domain}" in missing.stderr
    assert "ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST" in missing.stderr
    assert "use --namespace /cell_1" in missing.stderr


@pytest.fixture
def homing_guard(robot: FakeRobot) -> Iterator["subprocess.Popen[str]"]:
    """A guard with a nearby home pose and control enabled."""
    settings = {"home_positions": HOME, "home_speed": HOME_SPEED, "enable_control": "true"}
    with process("guard_node", **settings) as child:
        robot.wait_for_state("guard", "holding")
        yield child


def test_home_deactivates_the_policy_and_moves_the_arms(
    robot: FakeRobot, homing_guard: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    model = write_turner(tmp_path / "turner", NOISE_MEAN)
    with process("policy_node", model=model):
        wait_until(lambda: moves(robot), "the arms to move", lambda: str(robot.states))
        done = run_dbp("home")
        assert done.returncode == 0, done.stderr
        assert "the policy is deactivated" in done.stdout
        assert "the arms are at home" in done.stdout
        robot.wait_for_state("policy", "not active")
        wait_until(lambda: rests(robot), "the arms to rest")
    assert robot.positions == pytest.approx(HOME, abs=0.02)
    assert_within_limits(robot)


def test_home_is_rejected_after_a_stop_and_with_another_publisher(
    robot: FakeRobot, homing_guard: "subprocess.Popen[str]"
) -> None:
    rival = robot.create_publisher(JointTrajectory, "action_chunk", 1)
    refused = run_dbp("home")
    assert refused.returncode == 1
    assert "/robot also publishes /action_chunk" in refused.stderr
    robot.destroy_publisher(rival)
    assert robot.call_service("guard/emergency_stop")[0]
    refused = run_dbp("home")
    assert refused.returncode == 1
    assert "stopped: e-stop" in refused.stderr
    assert "dbp reset" in refused.stderr
    assert robot.call_service("guard/reset")[0]
    refused = run_dbp("home")
    assert refused.returncode == 1
    assert "--enable" in refused.stderr
    assert refused.stdout == ""
