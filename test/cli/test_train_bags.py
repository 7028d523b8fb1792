"""`dbp train` and `dbp export` on recordings of rosbag2, from the command line."""

from pathlib import Path

import pytest
from foreign_bags import JOINTS, Robot, write_bag, write_robot

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.manifest import JOINT_POSITION
from dbp_ros.cli.main import main
from dbp_ros.learning.checkpoint import read_checkpoint

SETTINGS = (
    *("--num-steps", "3", "--batch-size", "4", "--num-samples", "2", "--horizon", "4"),
    *("--width", "16", "--branch-width", "16", "--channels", "8", "8", "8", "8"),
    *("--keypoints", "4", "--threads", "1", "--device", "cpu"),
)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder with a bag for each of four episodes, of two arms and a camera."""
    for number in range(4):
        write_bag(tmp_path / "recordings" / f"lift_{number}", Robot(commands=True).messages())
    return tmp_path / "recordings"


def train(data: Path, run: Path, *flags: str) -> int:
    return main(["train", "--data", str(data), "--out", str(run), *SETTINGS, *flags])


def export(data: Path, run: Path, bundle: Path) -> int:
    words = ["export", "--run", str(run), "--data", str(data), "--out", str(bundle)]
    return main([*words, "--name", "toy"])


@pytest.mark.parametrize("with_robot", [False, True])
def test_recordings_are_trained_and_exported(
    recordings: Path, tmp_path: Path, with_robot: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--robot", str(write_robot(tmp_path))) if with_robot else ()
    run, bundle = tmp_path / "run", tmp_path / "models" / "toy"
    assert train(recordings, run, *flags) == 0
    printed = " ".join(capsys.readouterr().out.split())
    source = "commands on /left_controller/commands" if with_robot else "measured positions one"
    assert f"action: {source}" in printed
    assert "4 episodes, 236 steps rate: 30 Hz, steps of 0.03333 s state: 3 columns" in printed
    assert export(recordings, run, bundle) == 0
    manifest = read_bundle(bundle).manifest
    assert manifest.joints == manifest.states == JOINTS
    assert manifest.camera_names == ("head_camera",)
    assert manifest.action.meaning == JOINT_POSITION


def test_selected_topics_and_the_hash_of_the_files_are_stored(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    flags = ("--image-size", "12", "16", "--step-s", "0.1", "--action", "measured")
    assert train(recordings, run, *flags) == 0
    checkpoint = read_checkpoint(run)
    assert checkpoint.shape.cameras == {"head_camera": (12, 16)}
    assert checkpoint.selection.step_s == 0.1
    write_bag(recordings / "lift_4", Robot().messages())
    assert export(recordings, run, tmp_path / "toy") == 1
    assert "is not the data set of" in capsys.readouterr().err


def test_the_topics_that_are_read_are_shown(
    recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "show", str(recordings)]) == 0
    assert "action: measured positions one" in " ".join(capsys.readouterr().out.split())
