"""Training and export from data sets of foreign robots: mapped, or with the units given."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from cli.test_train import SETTINGS
from foreign_arms import CAMERAS, CONTROL_HZ, STEPS, wave, write_description, write_two_arms
from motion.guard_cell import (
    DT,
    Cell,
    measure_rest,
)
from toy_episodes import episode

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.manifest import Manifest, require_joints
from dbp_ros.cli.main import main
from dbp_ros.data.episode import Episode, episode_path, write_episode
from dbp_ros.data.selection import Selection
from dbp_ros.errors import TrainingError
from dbp_ros.guard_state import GuardMode
from dbp_ros.learning.checkpoint import read_checkpoint
from dbp_ros.learning.dataset import load_demonstrations
from dbp_ros.motion.guard import MotionGuard
from dbp_ros.policy.model import Model
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.parameter_files import settings_of
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.robot_files import read_robot
from dbp_ros.types import ActionChunk, Frame


@pytest.fixture
def two_arms(tmp_path: Path) -> Path:
    return write_two_arms(tmp_path / "two_arms.hdf5")


def exported(data: Path, folder: Path, *flags: str) -> Manifest:
    words = ["train", "--data", str(data), "--out", str(folder / "run"), *SETTINGS, *flags]
    assert main(words) == 0
    words = ["export", "--run", str(folder / "run"), "--data", str(data)]
    assert main([*words, "--out", str(folder / "model"), "--name", "toy"]) == 0
    return read_bundle(folder / "model").manifest


def test_two_foreign_arms_are_mapped_to_the_joints_of_their_description(
    two_arms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    robot = write_description(tmp_path)
    manifest = exported(two_arms, tmp_path, "--robot", str(robot))
    joints = read_robot(str(robot)).joints
    mapping = manifest.made_by["dataset"]["mapping"]
    assert mapping["unit"] == read_robot(str(robot)).data.unit
    assert mapping["joints"].keys() == read_robot(str(robot)).data.joints.keys()
    assert len(joints) == 14
    require_joints(manifest, joints)
    assert manifest.camera_names == ("front", "wrist")
    shown = capsys.readouterr().out
    assert "[rad] from the description of the robot: left_a1 to left_a6, left_claw" in shown
    assert "not read: robot0_eef_pos (3), robot1_eef_pos (3)" in shown


def test_a_model_of_two_foreign_arms_decides_and_the_guard_of_their_robot_follows(
    two_arms: Path, tmp_path: Path
) -> None:
    robot = str(write_description(tmp_path))
    manifest = exported(two_arms, tmp_path, "--robot", robot)
    policy = settings_of(PolicyConfig, {"robot": robot})
    guard = settings_of(GuardConfig, {"robot": robot})
    require_joints(manifest, policy.joints)
    assert manifest.action.step_s == pytest.approx(1 / CONTROL_HZ)
    runner = PolicyRunner(Model(read_bundle(tmp_path / "model")), policy)
    cell = Cell(MotionGuard(guard), np.array(guard.home_positions))

    def decide(now_ns: int) -> ActionChunk:
        runner.add_joint_state(cell.positions.astype(np.float32), now_ns, now_ns)
        for camera in CAMERAS:
            runner.add_image(camera, Frame(np.full((24, 24, 3), 9, np.uint8), now_ns), now_ns)
        return runner.step(now_ns)

    measure_rest(cell.guard, cell.positions, cell.now_ns)
    cell.guard.enable(cell.now_ns)
    commands = np.array(cell.run(100, decide))
    assert cell.guard.mode is GuardMode.TRACKING
    assert cell.guard.counters.refused_chunks == 0
    assert np.ptp(commands, axis=0).max() > 0.01
    assert (commands > guard.position_lower).all()
    assert (commands < guard.position_upper).all()
    assert (np.abs(np.diff(commands, axis=0)) <= np.multiply(guard.velocity_limit, DT) + 1e-9).all()


def test_without_a_description_what_is_left_is_listed(
    two_arms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exported(two_arms, tmp_path).action.meaning == "as_recorded"
    shown = capsys.readouterr().out
    assert "not read: robot0_joint_pos (6), robot1_joint_pos (6)" in shown
    assert "taken as recorded: no policy node runs such a model" in shown


def test_a_camera_that_the_description_does_not_map_is_named(
    two_arms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    robot = write_description(tmp_path)
    robot.write_text(robot.read_text().replace("agentview_image", "agentview_imag"))
    for words in (["train", "--out", str(tmp_path / "run"), *SETTINGS, "--data"], ["data", "show"]):
        assert main([*words, str(two_arms), "--robot", str(robot)]) == 0
        shown = capsys.readouterr().out
        assert "two_arms has front, wrist, and not agentview_image" in shown, words


def test_a_run_is_not_exported_with_another_mapping_than_it_was_trained_with(
    two_arms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    robot, run = write_description(tmp_path), str(tmp_path / "run")
    words = ["--data", str(two_arms), "--out"]
    assert main(["train", *words, run, "--robot", str(robot), *SETTINGS]) == 0
    robot.write_text(robot.read_text().replace("data:\n", "data:\n  unit: deg\n"))
    model = str(tmp_path / "model")
    assert main(["export", *words, model, "--run", run, "--name", "toy"]) == 1
    assert f"or data in the description {robot}, has changed" in capsys.readouterr().err


def test_joints_of_one_foreign_arm_are_commanded_once_their_units_are_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = (*(f"fr3_joint{number}" for number in range(1, 8)), "fr3_finger_joint1")
    scale = np.array([1.0] * 7 + [0.02], np.float32)
    for index in range(4):
        one = Episode(
            task="pour",
            seed=-1,
            mode="",
            outcome="success",
            termination_reason="operator",
            state_names=names,
            action_names=names,
            step_s=0.05,
            states=scale * (wave(8, index) + 1),
            actions=scale * (wave(8, index + 1) + 1),
            rewards=np.zeros(STEPS, np.float32),
            stamps_ns=np.arange(STEPS, dtype=np.int64),
        )
        write_episode(episode_path(tmp_path / "data", index), one)
    words = ["train", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), *SETTINGS]
    assert main(words) == 1
    shown = capsys.readouterr().err
    assert "--units rad\n" in shown
    assert "--gripper-units m or rad\n" in shown
    manifest = exported(tmp_path / "data", tmp_path, "--units", "rad", "--gripper-units", "m")
    require_joints(manifest, names)
    units = [column["unit"] for column in manifest.normaliser["action"].values()]
    assert units == [*["rad"] * 7, "m"]


def test_files_of_aloha_train_and_export_with_their_cameras(tmp_path: Path) -> None:
    folder = tmp_path / "aloha"
    folder.mkdir()
    for index in range(3):
        with h5py.File(folder / f"episode_{index}.hdf5", "w") as file:
            file["action"] = wave(14, index + 1)
            file["observations/qpos"] = wave(14, index)
            file["observations/images/cam_high"] = np.full((STEPS, 24, 24, 3), 9, np.uint8)
    manifest = exported(folder, tmp_path, "--step-s", "0.02")
    assert manifest.camera_names == ("observations.images.cam_high",)
    assert manifest.states[0] == "observations.qpos.0"
    assert "--step-s 0.02" in manifest.made_by["commands"][0]


def test_a_run_with_a_relative_description_is_exported_from_another_folder(
    two_arms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot, elsewhere = write_description(tmp_path), tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(robot.parent)
    run, data = str(tmp_path / "run"), str(two_arms)
    given = ["--data", data, "--out", run, "--robot", robot.name]
    assert main(["train", *given, *SETTINGS]) == 0
    assert read_checkpoint(Path(run)).selection.robot == str(robot)
    assert main(["train", *given, *SETTINGS, "--resume"]) == 0
    monkeypatch.chdir(elsewhere)
    words = ["export", "--run", run, "--data", data, "--out", "model", "--name", "toy"]
    assert main(words) == 0
    lines = read_bundle(elsewhere / "model").manifest.made_by["commands"]
    assert f"--robot {robot.name}" in lines[0]


def test_actions_that_are_changes_of_positions_are_refused(tmp_path):
    def recorded(kind, **changes):
        for number in range(3):
            absolute = episode(number, steps=20)
            rng = np.random.default_rng(number)
            path = 0.6 + np.cumsum(rng.normal(0.0, 0.02, absolute.states.shape), axis=0)
            states = (path * (1.0, 1.0, 0.1)).astype(np.float32)
            moved = np.diff(states, axis=0, append=states[-1:])
            actions = moved if kind == "delta" else states + moved
            made = replace(absolute, states=states, actions=actions, **changes)
            write_episode(episode_path(tmp_path / kind, number), made)
        return tmp_path / kind

    with pytest.raises(TrainingError, match="of left_elbow_joint, left_idle_joint are changes of"):
        load_demonstrations(recorded("delta"))
    load_demonstrations(recorded("absolute"))
    # A joint that rests at zero most of the time, with an offset of its sensor.
    resting = np.zeros((20, 3))
    resting[15:, 0] = np.linspace(0.1, 0.4, 5)
    measured = (resting + np.array([0.03, 0.0, 0.0])).astype(np.float32)
    idle = episode(0, steps=20, states=measured, actions=resting.astype(np.float32))
    write_episode(episode_path(tmp_path / "resting", 0), idle)
    load_demonstrations(tmp_path / "resting")
    load_demonstrations(tmp_path / "delta", Selection(units="as_recorded"))
