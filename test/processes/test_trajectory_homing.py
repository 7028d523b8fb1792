"""`dbp home --trajectory`: the trajectory controllers move the arms, and nothing jumps."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from processes.dbp_command import DBP, run_dbp
from processes.fake_controllers import ACTIVE
from processes.fake_robot import wait_until
from processes.fake_ros2_control import LEFT, RIGHT, RIGHT_TRAJECTORY, TRAJECTORY
from processes.rig import Rig

from dbp_ros.settings.dual_ur5e import DUAL_UR5E

# Stands in for `ros2 control switch_controllers`: asks the test, which has the controllers.
ROS2 = """#!/bin/sh
echo "$@" > "$SWITCHES/request.partial"
mv "$SWITCHES/request.partial" "$SWITCHES/request"
while [ ! -f "$SWITCHES/response" ]; do sleep 0.02; done
cat "$SWITCHES/response"; rm "$SWITCHES/response"
"""
HOME = np.array(DUAL_UR5E.home_positions)
ARMS = np.array(["gripper" not in joint for joint in DUAL_UR5E.joints])


@pytest.fixture
def switches(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[list[str]]]:
    """Perform the switches that a fake `ros2` requests; collect its command lines."""
    (tmp_path / "ros2").write_text(ROS2)
    (tmp_path / "ros2").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SWITCHES", str(tmp_path))
    found: list[list[str]] = []
    ended = threading.Event()

    def serve() -> None:
        while not ended.wait(0.01):
            if not (tmp_path / "request").exists():
                continue
            words = (tmp_path / "request").read_text().split()
            (tmp_path / "request").unlink()
            found.append(words)
            between = words.index("--deactivate")
            rig.robot.switch(words[words.index("--activate") + 1 : between], words[between + 1 :])
            (tmp_path / "answer").write_text("Successfully switched controllers\n")
            (tmp_path / "answer").rename(tmp_path / "response")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield found
    ended.set()
    thread.join()


def test_the_arms_move_home_and_control_continues(rig: Rig, switches: list[list[str]]) -> None:
    rig.track()
    rig.guard.disable()
    rig.guard.wait_for("disabled")
    rig.policy.publishes = False
    rig.wait_for_rest()
    grippers = rig.robot.hardware.positions[~ARMS]
    done = run_dbp("home", "--trajectory", "--enable")
    assert done.returncode == 0, done.stderr
    assert "control is enabled" in done.stdout
    assert switches == [
        [
            *("control", "switch_controllers", "-c", "/controller_manager", "--strict"),
            *("--activate", *activate, "--deactivate", *deactivate),
        ]
        for activate, deactivate in (
            ((TRAJECTORY, RIGHT_TRAJECTORY), (LEFT, RIGHT)),
            ((LEFT, RIGHT), (TRAJECTORY, RIGHT_TRAJECTORY)),
        )
    ]
    positions = rig.robot.hardware.positions
    np.testing.assert_allclose(positions[ARMS], HOME[ARMS], atol=0.06)
    np.testing.assert_allclose(positions[~ARMS], grippers, atol=2e-3)
    rig.assert_no_jump()
    assert rig.robot.controllers[LEFT].state == ACTIVE


@pytest.mark.parametrize("cause", ["e-stop", "interrupt", "joint states"])
def test_a_stop_an_interrupt_and_missing_joint_states_end_the_motion(
    rig: Rig, switches: list[list[str]], cause: str
) -> None:
    rig.track()
    rig.guard.disable()
    rig.guard.wait_for("disabled")
    rig.policy.publishes = False
    rig.wait_for_rest()
    start = rig.robot.hardware.positions.copy()
    command = [*DBP, "home", "--trajectory"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    distance = np.abs(start - HOME)[ARMS].max()
    wait_until(
        lambda: np.abs(rig.robot.hardware.positions - start)[ARMS].max() > 0.2 * distance,
        "the arms to move home",
        lambda: "",
        20.0,
    )
    if cause == "e-stop":
        assert rig.guard.stop()[0]
    elif cause == "interrupt":
        child.send_signal(signal.SIGINT)
    else:
        rig.robot.deactivate("joint_state_broadcaster")
    _, error = child.communicate(timeout=20.0)
    assert child.returncode != 0
    if cause != "interrupt":
        reason = "the guard is stopped: e-stop" if cause == "e-stop" else "no joint states for 0.3"
        assert reason in error
        assert "stay active and hold the arms" in error
    rig.wait_for_rest()
    assert np.abs(rig.robot.hardware.positions - HOME)[ARMS].max() > 0.2 * distance
    assert len(switches) == 1
    rig.assert_no_jump()


def test_the_wrong_order_is_refused(rig: Rig, switches: list[list[str]]) -> None:
    rig.track()
    refused = run_dbp("home", "--trajectory")
    assert refused.returncode == 1
    assert "expected disabled: dbp disable first" in refused.stderr
    assert rig.guard.stop()[0]
    refused = run_dbp("home", "--trajectory")
    assert "the guard is stopped: e-stop, expected disabled: dbp reset first" in refused.stderr
    assert rig.guard.reset()[0]
    rig.guard.wait_for("disabled")
    rig.robot.unload(RIGHT_TRAJECTORY)
    refused = run_dbp("home", "--trajectory")
    assert f"{RIGHT_TRAJECTORY} is not loaded: ros2 control load_controller" in refused.stderr
    assert switches == []


def test_a_missing_ros2_command_is_explained(rig: Rig, tmp_path: Path) -> None:
    rig.guard.disable()
    refused = run_dbp("home", "--trajectory", PATH=str(tmp_path))
    assert refused.returncode == 1
    assert "install ros2controlcli" in refused.stderr
