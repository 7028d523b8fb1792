"""Robots from their descriptions: their simulated arms move under the guard."""

import json
from pathlib import Path

import pytest
from cli.test_train_foreign import exported
from foreign_arms import write_description, write_two_arms
from processes.dbp_command import output_with_logs, run_dbp
from processes.stack_process import up

FOREIGN = Path(__file__).parents[1] / "robots" / "foreign.urdf"


def require_motion(robot: str, out: Path, joints: int) -> None:
    result = run_dbp("demo", "--robot", robot, "--out", out)
    assert result.returncode == 0, output_with_logs(result, out)
    report = json.loads((out / "robot.json").read_text())
    assert len(report["joints"]) == joints
    for motion in report["joints"]:
        assert motion["moved"] == pytest.approx(motion["commanded"], rel=0.2)
    assert report["guard"]["commands"] > 500
    assert (out / "robot.png").stat().st_size > 1000


def test_a_robot_from_a_foreign_urdf_moves_under_the_guard(tmp_path: Path) -> None:
    robot = tmp_path / "porter.yaml"
    assert run_dbp("robot", "new", "--urdf", FOREIGN, "--out", robot).returncode == 0
    require_motion(str(robot), tmp_path / "out", 7)


def test_a_policy_trained_on_a_foreign_simulator_runs_with_one_mapping_file(
    domain: int, tmp_path: Path
) -> None:
    data, robot = write_two_arms(tmp_path / "two_arms.hdf5"), str(write_description(tmp_path))
    exported(data, tmp_path, "--robot", robot)
    with up(
        *("--robot", robot, "--sim", "--enable-control", "--model", str(tmp_path / "model"))
    ) as (_, log):
        log.wait_for("[policy]", "deciding")
        log.wait_for("[guard]", "tracking")


def test_a_stack_of_another_robot_refuses_a_model_for_other_joints() -> None:
    result = run_dbp("up", "--robot", "so101_dual", "--sim")
    assert result.returncode == 1
    assert "is for 14 joints, the robot has 12" in result.stderr
    assert result.stderr.count("\n") == 1
