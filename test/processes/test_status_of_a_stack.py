"""What `dbp status` finds in a stack of guard and policy."""

import signal
import time
from pathlib import Path

from processes.operation import dbp, found
from processes.robot import CAMERA, CONFIG, Robot, process
from toy_bundle import write_toy_bundle


def toy_model(folder: Path, camera: str) -> Path:
    """Write a model that looks through one camera."""
    return write_toy_bundle(folder / "toy", graph_joints=CONFIG.joints, graph_cameras=(camera,))


def test_a_stack_that_runs_has_nothing_wrong_and_a_killed_guard_is_named(
    robot: Robot, tmp_path: Path
) -> None:
    model = toy_model(tmp_path, CAMERA)
    with process("guard_node") as guard, process("policy_node", model=model):
        robot.wait_for_state("policy", "deciding")
        robot.wait_for_state("guard", "control is not enabled")
        # Diagnostics are up to a second behind.
        time.sleep(1.0)
        looked = dbp("status")
        assert looked.returncode == 0, looked.stdout
        assert "nothing is wrong" in looked.stdout
        assert "dbp enable" in looked.stdout
        assert "/robot -> /guard, /policy" in looked.stdout
        guard.send_signal(signal.SIGKILL)
        started = time.monotonic()
        sentences = found()
        print(f"found after {time.monotonic() - started:.1f} s")
    assert "does not answer" in sentences["guard"] or "does not run" in sentences["guard"]


def test_a_camera_under_another_name_is_named_with_the_remap(robot: Robot, tmp_path: Path) -> None:
    model = toy_model(tmp_path, "front_camera")
    with process("guard_node"), process("policy_node", model=model):
        robot.wait_for_state("policy", "front_camera")
        sentence = found()["/front_camera/image_raw"]
    assert sentence.startswith("error: nothing publishes it")
    assert f"--remap front_camera:=/{CAMERA}/image_raw" in sentence
