"""Faults of a stack of guard and policy that `dbp status` finds."""

import signal
import time
from pathlib import Path

from processes.dbp_command import run_dbp, status_findings
from processes.fake_robot import CAMERA, CONFIG, FakeRobot, process
from toy_bundle import write_toy_bundle


def toy_model(folder: Path, camera: str) -> Path:
    """Write a model with one camera."""
    return write_toy_bundle(folder / "toy", graph_joints=CONFIG.joints, graph_cameras=(camera,))


def test_a_running_stack_has_no_faults_and_a_killed_guard_is_named(
    robot: FakeRobot, tmp_path: Path
) -> None:
    model = toy_model(tmp_path, CAMERA)
    with process("guard_node") as guard, process("policy_node", model=model):
        robot.wait_for_state("policy", "deciding")
        robot.wait_for_state("guard", "control is not enabled")
        # Diagnostics are up to a second behind.
        time.sleep(1.0)
        result = run_dbp("status")
        assert result.returncode == 0, result.stdout
        assert "no faults found" in result.stdout
        assert "dbp enable" in result.stdout
        assert "/robot -> /guard, /policy" in result.stdout
        guard.send_signal(signal.SIGKILL)
        started = time.monotonic()
        sentences = status_findings()
        print(f"found after {time.monotonic() - started:.1f} s")
    assert "does not respond" in sentences["guard"] or "not running" in sentences["guard"]


def test_a_camera_under_another_name_is_named_with_the_remap(
    robot: FakeRobot, tmp_path: Path
) -> None:
    model = toy_model(tmp_path, "front_camera")
    with process("guard_node"), process("policy_node", model=model):
        robot.wait_for_state("policy", "front_camera")
        sentence = status_findings()["/front_camera/image_raw"]
    assert sentence.startswith("error: no publisher")
    assert f"--remap front_camera:=/{CAMERA}/image_raw" in sentence
