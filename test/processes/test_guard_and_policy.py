"""Guard and policy as real processes over real DDS, with kills and sensor faults."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from processes.fake_robot import (
    CAMERA,
    CONFIG,
    PERIOD_S,
    SPEED_RAD_S,
    FakeRobot,
    assert_within_limits,
    is_silent,
    moves,
    process,
    rests,
    wait_until,
)
from processes.swap_listener import NOISE_MEAN
from processes.turner import write_turner
from toy_bundle import write_toy_bundle


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that turns both shoulders at a constant speed."""
    return write_turner(tmp_path_factory.mktemp("models") / "turner", NOISE_MEAN)


@pytest.fixture
def policy(
    robot: FakeRobot, guard: subprocess.Popen[str], model: Path
) -> Iterator[subprocess.Popen[str]]:
    """The policy, turning the arms."""
    with process("policy_node", model=model) as child:
        wait_until(lambda: moves(robot), "the arms to move", lambda: str(robot.states))
        yield child


def test_a_killed_policy_leaves_the_arms_at_rest_within_the_limits(
    robot: FakeRobot, policy: subprocess.Popen[str], model: Path
) -> None:
    policy.send_signal(signal.SIGKILL)
    killed_ns = time.monotonic_ns()
    wait_until(lambda: rests(robot), "the arms to come to rest")
    robot.wait_for_state("guard", "no fresh chunk")
    assert_within_limits(robot)
    times = np.array([arrival for arrival, _ in robot.commands])
    steps = np.abs(np.diff([command for _, command in robot.commands], axis=0)).max(axis=1)
    last_motion_ns = times[1:][steps > 0].max()
    braking_s = SPEED_RAD_S / min(CONFIG.acceleration_limit)
    allowed_s = CONFIG.chunk_timeout_s + braking_s
    print(f"at rest {(last_motion_ns - killed_ns) / 1e6:.0f} ms after the kill")
    assert last_motion_ns - killed_ns < 1e9 * (allowed_s + 1.0)
    with process("policy_node", model=model):
        wait_until(lambda: moves(robot), "a new policy to move the arms")


def test_a_deactivated_policy_holds_the_arms_and_a_reloaded_one_continues(
    robot: FakeRobot, policy: subprocess.Popen[str]
) -> None:
    robot.change(Transition.TRANSITION_DEACTIVATE)
    wait_until(lambda: rests(robot), "the arms to come to rest")
    robot.wait_for_state("policy", "configured, not active")
    robot.change(Transition.TRANSITION_ACTIVATE)
    wait_until(lambda: moves(robot), "the arms to move again")
    robot.change(Transition.TRANSITION_DEACTIVATE)
    robot.change(Transition.TRANSITION_CLEANUP)
    robot.wait_for_state("policy", "not configured")
    robot.change(Transition.TRANSITION_CONFIGURE)
    robot.change(Transition.TRANSITION_ACTIVATE)
    wait_until(lambda: moves(robot), "the reloaded model to move the arms")
    assert_within_limits(robot)


def test_no_command_is_published_before_control_is_enabled(robot: FakeRobot, model: Path) -> None:
    with process("guard_node"), process("policy_node", model=model):
        robot.wait_for_state("policy", "deciding")
        robot.wait_for_state("guard", "disabled")
        time.sleep(0.5)
        assert not robot.commands
        assert robot.call_service("guard/enable_control", True) == (True, "")
        wait_until(lambda: moves(robot), "the arms to move")


def test_an_emergency_stop_latches_until_reset_and_enabling(
    robot: FakeRobot, policy: subprocess.Popen[str]
) -> None:
    assert robot.call_service("guard/emergency_stop")[0]
    wait_until(lambda: rests(robot), "the arms to come to rest")
    robot.wait_for_state("guard", "stopped")
    granted, why = robot.call_service("guard/enable_control", True)
    assert not granted
    assert "latched" in why
    time.sleep(0.3)
    assert rests(robot)
    assert robot.call_service("guard/reset")[0]
    assert robot.call_service("guard/enable_control", True)[0]
    wait_until(lambda: moves(robot), "the arms to move again")
    assert_within_limits(robot)


def stop_measuring(robot: FakeRobot) -> None:
    robot.measures = False


def lose_a_joint(robot: FakeRobot) -> None:
    robot.joints.remove("right_elbow_joint")


def turn_the_camera_off(robot: FakeRobot) -> None:
    robot.camera = "off"


def freeze_the_camera(robot: FakeRobot) -> None:
    robot.camera = "frozen"


def repair(robot: FakeRobot) -> None:
    robot.measures, robot.camera, robot.joints = True, "live", list(CONFIG.joints)


@pytest.mark.parametrize(
    ("inject", "who", "why"),
    [
        (stop_measuring, "policy", "joint_states is stale"),
        (lose_a_joint, "policy", "joint_states lacks right_elbow_joint"),
        (turn_the_camera_off, "policy", f"{CAMERA} is stale"),
        (freeze_the_camera, "policy", f"{CAMERA} is frozen"),
    ],
)
def test_a_sensor_fault_holds_the_arms_and_is_reported(
    robot: FakeRobot,
    policy: subprocess.Popen[str],
    inject: Callable[[FakeRobot], None],
    who: str,
    why: str,
) -> None:
    inject(robot)
    robot.wait_for_state(who, why)
    blind = inject in (stop_measuring, lose_a_joint)
    at_rest = is_silent if blind else rests
    wait_until(lambda: at_rest(robot), "the arms to come to rest")
    assert_within_limits(robot)
    repair(robot)
    # On a busy machine the gap may have been so long that control was disabled by a fault.
    wait_until(lambda: robot.call_service("guard/enable_control", True)[0], "control to be enabled")
    wait_until(lambda: moves(robot), "the arms to move again", lambda: str(robot.states))


@pytest.mark.parametrize("damage", ["missing", "truncated", "other joints"])
def test_an_invalid_bundle_ends_the_policy_with_one_sentence(
    domain: int, tmp_path: Path, damage: str
) -> None:
    joints = ("elbow",) if damage == "other joints" else CONFIG.joints
    folder = write_toy_bundle(tmp_path / "bad", graph_joints=joints, graph_cameras=(CAMERA,))
    if damage == "missing":
        (folder / "head.onnx").unlink()
    elif damage == "truncated":
        os.truncate(folder / "head.onnx", 100)
    result = subprocess.run(
        [sys.executable, "-m", "dbp_ros.nodes.policy_node", "--ros-args", "-p", f"model:={folder}"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.returncode == 1
    assert len(errors) == 1
    assert "head.onnx" in errors[0] or "left_elbow_joint" in errors[0]
    assert "Traceback" not in result.stderr


def test_a_parameter_out_of_range_ends_the_guard_with_one_sentence(domain: int) -> None:
    words = ("--ros-args", "-p", "command_rate_hz:=5000.0")
    command = [sys.executable, "-m", "dbp_ros.nodes.guard_node", *words]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert result.returncode == 1
    assert "error: command_rate_hz = 5000.0, expected from 10.0 to 1000.0" in result.stderr


def test_an_interrupted_guard_first_brings_the_arms_to_rest(
    robot: FakeRobot, guard: subprocess.Popen[str], policy: subprocess.Popen[str]
) -> None:
    for _ in range(50):
        guard.send_signal(signal.SIGINT)
    guard.wait(timeout=10)
    assert guard.returncode == 0
    last = [command for _, command in robot.commands[-3:]]
    assert np.abs(last[-1] - last[-2]).max() <= min(CONFIG.acceleration_limit) * PERIOD_S**2 + 1e-9
    assert_within_limits(robot)


def test_a_policy_reads_compressed_images_if_configured(
    robot: FakeRobot, guard: subprocess.Popen[str], model: Path
) -> None:
    with process("policy_node", model=model, image_transport="compressed"):
        robot.wait_for_state("policy", f"{CAMERA} is missing")
        robot.file_format = "png"
        wait_until(lambda: moves(robot), "the arms to move", lambda: str(robot.states))


def test_an_unknown_image_transport_is_an_error_that_lists_the_known_ones(
    domain: int, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with process("policy_node", model=model, image_transport="theora") as child:
        assert child.wait(60) == 1
    printed = capsys.readouterr().out
    assert "image_transport is 'theora', expected one of raw, compressed" in printed
