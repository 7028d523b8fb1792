"""`dbp import` describes a graph, drafts a mapping and imports the policy."""

import re
from pathlib import Path

import pytest
import yaml
from policy_import.foreign_graphs import write_byte_policy, write_image_policy, write_video_policy

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.cli.main import main
from dbp_ros.policy_import.foreign_graph import ForeignGraph
from dbp_ros.policy_import.mapping_file import read_mapping
from dbp_ros.settings.robot_files import robot_file


def words(text: str) -> str:
    """Return a text with single spaces, without its alignment."""
    return re.sub(" +", " ", text)


def test_a_drafted_mapping_imports_the_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = write_image_policy(tmp_path / "act.onnx")
    mapping, out = tmp_path / "m.yaml", tmp_path / "models" / "act"
    assert main(["import", str(policy), "--describe", "--mapping", str(mapping)]) == 0
    shown = words(capsys.readouterr().out)
    assert "opset 20" in shown
    assert "inputs\n observation.state float32 (batch, 3)\n" in shown
    assert "outputs\n action float32 (batch, 4, 3)\n" in shown
    assert "edit what is marked by `check:`" in shown
    command = ["import", str(policy), "--mapping", str(mapping), "--out", str(out), "--name", "act"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "the network of this image runs once for each image" in shown
    assert "10 observations agree with the original graph within" in shown
    assert main(["inspect", str(out)]) == 0
    assert "import difference" in words(capsys.readouterr().out)
    assert read_bundle(out).manifest.made_by["source"]["files"].keys() == {"act.onnx"}


@pytest.mark.parametrize("write", [write_byte_policy, write_video_policy, write_image_policy])
def test_a_draft_names_every_input_and_output(tmp_path: Path, write) -> None:
    policy, path = write(tmp_path / "policy.onnx"), tmp_path / "m.yaml"
    assert main(["import", str(policy), "--describe", "--mapping", str(path)]) == 0
    mapping, graph = read_mapping(path), ForeignGraph(policy)
    assert "check:" in path.read_text()
    assert sorted(mapping.input_names) == sorted(graph.inputs)
    assert [*mapping.actions, *mapping.unused_outputs] == list(graph.outputs)


def test_a_draft_asks_whether_the_fifth_axis_of_an_image_is_time(tmp_path: Path) -> None:
    policy, path = write_video_policy(tmp_path / "policy.onnx"), tmp_path / "m.yaml"
    assert main(["import", str(policy), "--describe", "--mapping", str(path)]) == 0
    assert "    layout: NTCHW  # check: T is time; several cameras" in path.read_text()


def test_a_draft_has_the_names_of_a_robot(tmp_path: Path) -> None:
    policy, path = write_image_policy(tmp_path / "policy.onnx"), tmp_path / "m.yaml"
    command = ["import", str(policy), "--describe", "--mapping", str(path), "--robot", "aloha"]
    assert main(command) == 0
    mapping = read_mapping(path)
    assert len(mapping.joints) == 14
    assert (
        mapping.images["observation.image"].camera
        in yaml.safe_load(robot_file("aloha").read_text())["cameras"]
    )


def test_a_mapping_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy, path = write_image_policy(tmp_path / "policy.onnx"), tmp_path / "m.yaml"
    path.write_text("mine")
    command = ["import", str(policy), "--describe", "--mapping", str(path)]
    assert main(command) == 1
    assert "m.yaml exists: give another file, or add --force" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert main([*command, "--force"]) == 0
    assert path.read_text() != "mine"


def test_a_mapping_for_another_robot_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy, path = write_image_policy(tmp_path / "policy.onnx"), tmp_path / "m.yaml"
    assert main(["import", str(policy), "--describe", "--mapping", str(path)]) == 0
    out = tmp_path / "models" / "act"
    command = ["import", str(policy), "--mapping", str(path), "--out", str(out)]
    assert main([*command, "--robot", "so101_dual"]) == 1
    error = capsys.readouterr().err
    assert "robot so101_dual has the joints" in error
    assert "and has camera_1, joint_1, joint_2, joint_3 in addition" in error
    assert not out.exists()


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ([], "expected --mapping and --out: write a first mapping with --describe"),
        (["--mapping", "absent.yaml", "--out", "x"], "absent.yaml cannot be read (No such file"),
    ],
)
def test_an_incomplete_command_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["import", str(write_image_policy(tmp_path / "policy.onnx")), *flags]) == 1
    assert reason in capsys.readouterr().err


def test_a_file_without_a_mapping_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "m.yaml", tmp_path / "models" / "act"
    policy = write_image_policy(tmp_path / "policy.onnx")
    for text, reason in (("[", "is not YAML"), ("joints", "expected a mapping")):
        path.write_text(text)
        assert main(["import", str(policy), "--mapping", str(path), "--out", str(out)]) == 1
        assert reason in capsys.readouterr().err
