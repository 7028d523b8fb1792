"""`dbp train` and `dbp export` on a data set of another project, from the command line."""

import shlex
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.cli.main import main
from dbp_ros.errors import TrainingError
from dbp_ros.learning.checkpoint import read_checkpoint
from dbp_ros.learning.dataset import load_demonstrations
from dbp_ros.learning.trainer import Trainer

SETTINGS = (
    *(
        "--num-steps",
        "5",
        "--batch-size",
        "4",
        "--num-samples",
        "2",
        "--horizon",
        "4",
        "--n-obs-steps",
        "2",
    ),
    *("--width", "16", "--branch-width", "16", "--channels", "8", "8", "8", "8"),
    *("--keypoints", "4", "--threads", "1", "--device", "cpu"),
)
CHOSEN = ("--state", "robot0_gripper_qpos", "robot0_eef_pos", "--images", "agentview_image")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A small file of demonstrations as robomimic lays them out."""
    chance = np.random.default_rng(0)
    with h5py.File(tmp_path / "demo.hdf5", "w") as file:
        for index in range(3):
            demo = file.create_group(f"data/demo_{index}")
            demo["actions"] = chance.uniform(-1, 1, (9, 4))
            demo["obs/robot0_eef_pos"] = chance.standard_normal((9, 3))
            demo["obs/robot0_gripper_qpos"] = chance.standard_normal((9, 2))
            demo["obs/object"] = chance.standard_normal((9, 5))
            for camera in ("agentview_image", "wrist_image"):
                demo[f"obs/{camera}"] = chance.integers(0, 255, (9, 24, 24, 3), np.uint8)
    return tmp_path / "demo.hdf5"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


def train(data: Path, run: Path, *flags: str) -> int:
    return main(["train", "--data", str(data), "--out", str(run), *SETTINGS, *flags])


def test_the_selected_columns_are_trained_exported_and_described(
    data: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, run, *CHOSEN) == 0
    assert {path.name for path in run.iterdir()} == {
        *("checkpoint.safetensors", "log.csv", "curves.png", "tensorboard"),
    }
    bundle = run.parent / "models" / "toy"
    words = ["export", "--run", str(run), "--data", str(data), "--out", str(bundle)]
    assert main([*words, "--name", "toy"]) == 0
    manifest = read_bundle(bundle).manifest
    assert manifest.states == (
        *("robot0_gripper_qpos.0", "robot0_gripper_qpos.1"),
        *("robot0_eef_pos.0", "robot0_eef_pos.1", "robot0_eef_pos.2"),
    )
    assert manifest.camera_names == ("agentview_image",)
    assert manifest.action.meaning == "as_recorded"
    assert " ".join(CHOSEN) in manifest.made_by["commands"][0]
    capsys.readouterr()
    assert main(["inspect", str(bundle)]) == 0
    assert "images agentview_image" in capsys.readouterr().out


def test_the_command_in_a_bundle_repeats_its_training(data: Path, run: Path) -> None:
    assert train(data, run, *CHOSEN) == 0
    bundle = run.parent / "toy"
    words = ["export", "--run", str(run), "--data", str(data), "--out", str(bundle)]
    assert main([*words, "--name", "toy"]) == 0
    command = shlex.split(read_bundle(bundle).manifest.made_by["commands"][0])
    repeated = run.with_name("repeated")
    for flag, value in (("--data", data), ("--out", repeated)):
        command[command.index(flag) + 1] = str(value)
    assert main(command[1:]) == 0
    one, two = read_checkpoint(run), read_checkpoint(repeated)
    assert one.config == two.config
    assert one.selection == two.selection
    assert one.metadata["dataset"] == two.metadata["dataset"]


def test_a_run_starts_from_the_weights_of_a_bundle(data: Path, run: Path) -> None:
    assert train(data, run, *CHOSEN) == 0
    bundle, continued = run.parent / "models" / "toy", run.with_name("continued")
    words = ["export", "--run", str(run), "--data", str(data), "--out", str(bundle)]
    assert main([*words, "--name", "toy"]) == 0
    initial = ("--initial-model", str(bundle), "--learning-rate", "0")
    assert train(data, continued, *CHOSEN, *initial) == 0
    one, two = read_checkpoint(run), read_checkpoint(continued)
    for name, value in one.part("average").items():
        torch.testing.assert_close(value, two.part("average")[name], rtol=0, atol=1e-6)
    words = ["export", "--run", str(continued), "--data", str(data), "--out", str(bundle) + "_2"]
    assert main([*words, "--name", "toy"]) == 0
    made_by = read_bundle(Path(f"{bundle}_2")).manifest.made_by
    assert made_by["initial_model"] == read_bundle(bundle).sha256
    assert any(f"--initial-model {bundle}" in line for line in made_by["commands"])
    assert len(made_by["commands"]) == 4


def test_the_weights_of_another_network_are_refused(
    data: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, run, *CHOSEN) == 0
    bundle = run.parent / "models" / "toy"
    words = ["export", "--run", str(run), "--data", str(data), "--out", str(bundle)]
    assert main([*words, "--name", "toy"]) == 0
    initial = ("--initial-model", str(bundle))
    assert train(data, run.with_name("wider"), *CHOSEN, *initial, "--width", "24") == 1
    assert "width is 24, and the initial model has 16: leave out --width" in capsys.readouterr().err
    assert train(data, run.with_name("other"), *initial) == 1
    assert "the initial model has inputs and outputs" in capsys.readouterr().err


def test_a_run_of_another_version_is_refused(data: Path, run: Path) -> None:
    assert train(data, run, *CHOSEN) == 0
    (file,) = run.glob("*.safetensors")
    written = file.read_bytes()
    assert written.count(rb"\"format\": 5") == 1
    file.write_bytes(written.replace(rb"\"format\": 5", rb"\"format\": 4"))
    with pytest.raises(TrainingError, match=r"has format 4, expected 5: .* train again"):
        read_checkpoint(run)


def test_a_flag_without_keys_selects_none(data: Path, run: Path) -> None:
    assert train(data, run, "--images", "--state", "object") == 0
    shape = read_checkpoint(run).shape
    assert shape.cameras == {}
    assert shape.state_names == tuple(f"object.{column}" for column in range(5))


def test_without_flags_the_format_decides(data: Path, run: Path) -> None:
    assert train(data, run) == 0
    checkpoint = read_checkpoint(run)
    assert len(checkpoint.shape.state_names) == 10
    assert set(checkpoint.shape.cameras) == {"agentview_image", "wrist_image"}
    assert "selection" not in checkpoint.metadata["dataset"]


def test_a_resumed_run_keeps_its_selection(data: Path, run: Path) -> None:
    assert train(data, run, *CHOSEN) == 0
    assert main(["train", "--data", str(data), "--out", str(run), "--resume"]) == 0
    assert read_checkpoint(run).selection.images == ("agentview_image",)


def test_an_existing_run_is_not_overwritten(
    data: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, run, *CHOSEN) == 0
    assert train(data, run, *CHOSEN) == 1
    assert "give --resume to continue it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (
            ("--state", "elbow"),
            "no key 'elbow' for state: use one of object, robot0_eef_pos, robot0",
        ),
        (("--images", "top"), "no key 'top' for images: use one of agentview_image, wrist_image"),
        (("--points", "cloud"), "no key 'cloud' for points: use one of"),
        (("--action", "torque"), "no key 'torque' for action: use one of actions"),
        (("--state", "object", "object"), "state names object twice"),
        (("--step-s", "0"), "step_s is 0.0, expected seconds above 0"),
    ],
)
def test_an_unknown_key_is_refused_with_the_known_ones(
    data: Path,
    run: Path,
    capsys: pytest.CaptureFixture[str],
    flags: tuple[str, ...],
    expected: str,
) -> None:
    assert train(data, run, *flags) == 1
    assert expected in capsys.readouterr().err
    assert not run.exists()


def test_the_help_lists_the_keys_of_a_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--images [IMAGES ...] keys of the cameras; no key for no images" in shown
    assert "--action ACTION key of the action; several keys are joined by +" in shown


def test_training_prints_what_is_taken_and_what_is_left(
    data: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, run, *CHOSEN) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"{data}: 3 episodes, 27 steps" in lines
    assert "rate: 20 Hz, steps of 0.05 s" in lines
    assert "state: 5 columns" in lines
    unknown = "  [unknown] its name does not determine a unit:"
    assert f"{unknown} robot0_gripper_qpos.0, robot0_gripper_qpos.1, robot0_eef_pos.0 to " in (
        "\n".join(lines)
    )
    assert f"{unknown} actions.0 to actions.3" in lines
    assert "  the action is taken as recorded: no policy node runs such a model" in "\n".join(lines)
    assert "cameras: agentview_image (24 x 24 x 3)" in lines
    assert "not read: object (5), wrist_image (24 x 24 x 3)" in lines
    left = read_checkpoint(run).metadata["dataset"]["unused"]
    assert left == {"object": "5", "wrist_image": "24 x 24 x 3"}


def test_a_bundle_lists_the_commands_as_they_were_given(
    data: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    assert train(data, run, *CHOSEN) == 0
    words = ["export", "--run", "run", "--data", str(data), "--out", "my toy", "--name", "toy"]
    assert main([*words, "--control-rate-hz", "50"]) == 0
    first, export = read_bundle(run.parent / "my toy").manifest.made_by["commands"]
    assert first.startswith("dbp train --data demo.hdf5 --out run --state robot0_gripper_qpos ")
    assert " --num-steps 5 " in first
    assert export == (
        "dbp export --run run --data demo.hdf5 --out 'my toy' --name toy --version 1 "
        "--control-rate-hz 50"
    )


def test_a_resumed_run_lists_its_resumption(data: Path, run: Path) -> None:
    assert train(data, run, *CHOSEN) == 0
    whole = read_checkpoint(run)
    stopped, origin = run.with_name("stopped"), whole.metadata["dataset"]
    demonstrations = load_demonstrations(data, whole.selection)
    trainer = Trainer(whole.config, demonstrations, stopped, origin=origin)
    trainer.commands = ("dbp train",)
    trainer.train(stop_at=2)
    assert main(["train", "--data", str(data), "--out", str(stopped), "--resume"]) == 0
    resumption = f"dbp train --data {data} --out {stopped} --resume"
    assert read_checkpoint(stopped).metadata["commands"] == ["dbp train", resumption]


def test_a_path_outside_of_the_working_directory_is_listed_as_given(data: Path, run: Path) -> None:
    assert train(data, run) == 0
    (command,) = read_checkpoint(run).metadata["commands"]
    assert command.startswith(f"dbp train --data {data} --out {run} ")


def test_a_setting_that_a_resumed_run_does_not_have_is_refused(
    data: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, run, *CHOSEN) == 0
    assert train(data, run, *CHOSEN, "--resume") == 0
    for width in ("24", "512"):
        assert train(data, run, "--resume", "--width", width) == 1
        assert f"width is {width}, and the run in --out has 16" in capsys.readouterr().err
    assert train(data, run, "--resume", "--initial-model", "lift") == 1
    assert "and the run in --out started from random weights" in capsys.readouterr().err
