"""`dbp train` on a LeRobot data set with cameras as video, from the command line."""

import shutil
from pathlib import Path

import pytest
from lerobot_videos import TOP, write_v2, write_v3

from dbp_ros.cli.main import main
from dbp_ros.learning.checkpoint import read_checkpoint

SETTINGS = (
    *("--num-steps", "2", "--batch-size", "4", "--num-samples", "2", "--horizon", "4"),
    *("--width", "16", "--branch-width", "16", "--channels", "8", "8", "8", "8"),
    *("--keypoints", "4", "--threads", "1", "--device", "cpu"),
)


def train(data: Path, run: Path, *flags: str) -> int:
    return main(["train", "--data", str(data), "--out", str(run), *SETTINGS, *flags])


def test_without_a_camera_the_states_are_trained_and_no_video_is_needed(tmp_path: Path) -> None:
    write_v3(tmp_path / "data", "av1")
    shutil.rmtree(tmp_path / "data" / "videos")
    assert train(tmp_path / "data", tmp_path / "run", "--images") == 0
    assert read_checkpoint(tmp_path / "run").selection.images == ()


@pytest.mark.parametrize("write", [write_v2, write_v3])
def test_a_camera_that_is_stored_as_video_is_trained(tmp_path: Path, write) -> None:
    write(tmp_path / "data", codec="av1")
    assert train(tmp_path / "data", tmp_path / "run", "--images", TOP) == 0
    assert read_checkpoint(tmp_path / "run").selection.images == (TOP,)
