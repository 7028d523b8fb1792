"""`dbp inspect` describes a bundle, checks its files and runs its self-test."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from toy_bundle import write_toy_bundle

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.manifest import CloudSpec
from dbp_ros.cli.inspect import chunk, sensors
from dbp_ros.cli.main import main

NORMALISER = {
    "state": {"left_elbow_joint": {"unit": "rad", "range": [-1.5, 2.0]}},
    "action": {
        "left_elbow_joint": {
            "unit": "rad",
            "meaning": "relative_to_measured",
            "range": [-0.25, 0.5],
        }
    },
}
MADE_BY = {
    "commands": ["dbp collect --task lift", "dbp train --data data/lift"],
    "method": "ddim",
    "evaluations": 10,
    "dataset": {"name": "lift", "episodes": 300, "sha256": "b4fb" * 16},
    "train_s": 1787.123,
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_toy_bundle(
        tmp_path / "toy",
        history=2,
        normaliser=NORMALISER,
        made_by=MADE_BY,
        metrics={"validation_error": 0.0158098},
    )


def words(text: str) -> str:
    """Return a text with single spaces, without its alignment."""
    return re.sub(" +", " ", text)


@pytest.mark.parametrize(
    "sentence",
    [
        "toy, version 1: ",
        "head_camera 12 x 8 px, rgb8, to 3 features",
        "history 2 steps, 0.1 s apart",
        "left_elbow_joint rad from -1.5 to 2\n",
        "left_elbow_joint rad from -0.25 to 0.5 relative to measured\n",
        "right_elbow_joint\n",
        "horizon 4 points, 0.02 s apart, 0.08 s",
        "point absolute joint position",
        "control rate 125 Hz",
        "commands dbp collect --task lift\n dbp train --data data/lift\n",
        "method ddim\n inference steps 10\n",
        "data set name lift, episodes 300, sha256 b4fbb4fbb4fb…",
        "training time [s] 1787.12",
        "validation error 0.0158098",
        "the sha256 of every file is correct",
        "at most in 3 cases, tolerance 0.0001",
    ],
)
def test_a_bundle_is_described(
    bundle: Path, capsys: pytest.CaptureFixture[str], sentence: str
) -> None:
    assert main(["inspect", str(bundle)]) == 0
    assert sentence in words(capsys.readouterr().out)


def test_every_file_is_listed_with_its_size_and_hash(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(bundle)]) == 0
    shown = words(capsys.readouterr().out)
    for name, sha256 in read_bundle(bundle).manifest.files.items():
        size = (bundle / name).stat().st_size
        assert re.search(rf"{name} {size:,} bytes .*{sha256[:12]}… correct", shown)


def test_inference_times_of_the_head_and_every_encoder_are_printed(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(bundle)]) == 0
    shown = words(capsys.readouterr().out)
    for what in ("head", "head_camera", "left_wrist_camera"):
        assert re.search(rf"{what} \d+\.\d\d ms, median of 50", shown)


def test_a_model_that_no_policy_node_runs_states_it(bundle: Path) -> None:
    manifest = read_bundle(write_toy_bundle(bundle)).manifest
    other = replace(manifest, action=replace(manifest.action, meaning="as_recorded"))
    assert "no policy node runs the model" in dict(chunk(other))["point"]


def test_actions_of_the_network_that_are_poses_are_listed_with_their_ranges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pose = {
        "left.x": {"unit": "m", "meaning": "in_frame_of_base", "range": [-0.25, 0.5]},
        "left.r11": {"unit": "", "meaning": "in_frame_of_base", "range": [-1, 1]},
    }
    normaliser = {"state": NORMALISER["state"], "action": pose}
    bundle = write_toy_bundle(tmp_path / "toy", normaliser=normaliser)
    assert main(["inspect", str(bundle)]) == 0
    shown = words(capsys.readouterr().out)
    assert "point absolute joint position, by inverse kinematics from poses of the hands" in shown
    _, _, hands = shown.partition("action of the network, converted to joints\n")
    assert hands.startswith(
        " left.x m from -0.25 to 0.5 in frame of base\n left.r11 from -1 to 1 in frame of base\n"
    )


def test_a_point_cloud_is_described(bundle: Path) -> None:
    cloud = CloudSpec("head_depth", 64, 6, 8, "encoder.onnx")
    manifest = read_bundle(write_toy_bundle(bundle, clouds=(cloud,))).manifest
    assert ("head_depth", "64 points of 6, to 8 features") in sensors(manifest)


def test_a_changed_file_and_a_missing_one_are_listed_with_the_others(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bundle / "encoder.onnx").write_bytes(b"changed")
    (bundle / "proof.npz").unlink()
    assert main(["inspect", str(bundle)]) == 1
    printed = capsys.readouterr()
    assert re.search("encoder.onnx .*CHANGED OR TRUNCATED", printed.out)
    assert re.search("proof.npz .*MISSING", printed.out)
    assert re.search("head.onnx .*correct", printed.out)
    assert printed.err.startswith("error: ")
    assert "copy the whole bundle again" in printed.err


def test_a_bundle_that_fails_its_self_test_is_refused(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_toy_bundle(bundle, gain=1.01)
    assert main(["inspect", str(bundle)]) == 1
    assert "differ from its golden cases" in capsys.readouterr().err


def test_an_unknown_name_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["inspect", "tpy"]) == 1
    assert re.search("tpy is not a model bundle.*known bundles: .*lift", capsys.readouterr().err)


def test_a_shipped_bundle_is_described_by_its_name_without_extras() -> None:
    # A robot computer has none of these libraries.
    script = (
        "import sys\n"
        "for name in ('torch', 'rclpy', 'onnx', 'rich', 'matplotlib', 'mujoco', 'PIL'):\n"
        "    sys.modules[name] = None\n"
        "from dbp_ros.cli.main import main\n"
        "sys.exit(main(['inspect', 'lift']))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shown = words(done.stdout)
    assert "left_elbow_joint rad from -0.27957 to 0.06898 relative to measured" in shown
    assert "left_gripper_joint m from 0.03792 to 0.08501" in shown
