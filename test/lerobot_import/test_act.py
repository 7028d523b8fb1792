"""An ACT checkpoint of LeRobot gives the actions of LeRobot, as a graph and as a bundle."""

import json
from contextlib import nullcontext as nothing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from lerobot_import.act_files import (
    CAMERAS,
    CONFIG,
    STATE,
    TOP,
    WRIST,
    observation,
    write_checkpoint,
)
from safetensors.torch import load_file, save_file

from dbp_ros.cli.main import main
from dbp_ros.errors import TrainingError
from dbp_ros.lerobot_import.act import read_act
from dbp_ros.lerobot_import.checkpoint import read_checkpoint
from dbp_ros.lerobot_import.statistics import denormaliser, normaliser
from dbp_ros.policy import load_policy

# Actions of LeRobot 0.4.4 for this checkpoint and observation, with its normalisation.
LEROBOT = [
    [6.76833582, -9.54156685, 0.30718172],
    [6.76391172, -9.57742691, 0.30666322],
    [6.76229954, -9.56757355, 0.30604929],
]


def with_config(pretrained: Path, folder: Path, changes: dict[str, Any]) -> Path:
    """Return a copy of a checkpoint with changes of its configuration."""
    for path in pretrained.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}))
    return folder


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with the statistics in files of processors."""
    return write_checkpoint(tmp_path_factory.mktemp("act") / "pretrained_model")


@pytest.mark.parametrize("layout", ["processors", "weights"])
def test_the_actions_are_those_of_lerobot(tmp_path: Path, layout: str) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "pretrained_model", layout))
    policy = read_act(checkpoint)
    assert policy.names == (STATE, TOP, WRIST)
    assert checkpoint.n_action_steps == 2
    with torch.no_grad():
        action = policy(*observation())[0]
    np.testing.assert_allclose(action, LEROBOT, atol=2e-4)


def test_a_checkpoint_becomes_a_graph_and_a_bundle(
    pretrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = tmp_path / "act.onnx"
    assert main(["import-lerobot", str(pretrained), "--out", str(graph)]) == 0
    shown = capsys.readouterr().out
    assert "executes 2 points of a chunk" in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["act.onnx"]
    mapping, out = tmp_path / "act.yaml", tmp_path / "models" / "act"
    values = {
        "joints": ["a", "b", "c"],
        "step_s": 0.02,
        "n_action_steps": 2,
        "positions": {STATE: {}},
        "images": {TOP: {"camera": "top"}, WRIST: {"camera": "wrist"}},
        "actions": {"action": {}},
    }
    mapping.write_text(yaml.safe_dump(values))
    assert main(["import", str(graph), "--mapping", str(mapping), "--out", str(out)]) == 0
    assert capsys.readouterr().out.count("runs once for each image") == 2
    policy = load_policy(out)
    state, images = observation()
    pixels = {
        name: np.round(255 * image[0].numpy()).astype(np.uint8).transpose(1, 2, 0)
        for name, image in zip(("top", "wrist"), images, strict=True)
    }
    rounded = [torch.from_numpy(p / 255).float().permute(2, 0, 1)[None] for p in pixels.values()]
    with torch.no_grad():
        expected = read_act(read_checkpoint(pretrained))(state, rounded)[0]
    np.testing.assert_allclose(policy(state[0].numpy(), pixels), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("MEAN_STD", [-1.5, 0.5]), ("MIN_MAX", [-1.0, 0.0]), ("IDENTITY", [1.0, 3.0])],
)
def test_each_normalisation_has_its_inverse(mode: str, expected: list[float]) -> None:
    statistics = {
        "x.mean": torch.tensor([4.0, 2.0]),
        "x.std": torch.tensor([2.0, 2.0]),
        "x.min": torch.tensor([1.0, 0.0]),
        "x.max": torch.tensor([2.0, 6.0]),
    }
    raw = torch.tensor([1.0, 3.0])
    normalised = normaliser("x", mode, statistics)(raw)
    torch.testing.assert_close(normalised, torch.tensor(expected))
    torch.testing.assert_close(denormaliser("x", mode, statistics)(normalised), raw)


@pytest.mark.parametrize("value", [0.04, 0.3, 1.57, 87.3])
def test_a_constant_column_is_at_the_lower_end(value: float) -> None:
    constant = torch.tensor([value])
    scale = normaliser("x", "MIN_MAX", {"x.min": constant, "x.max": constant})
    assert scale(constant).tolist() == [-1.0]


def test_a_missing_mode_leaves_values_unchanged(pretrained: Path, tmp_path: Path) -> None:
    modes = {"STATE": "MEAN_STD", "ACTION": "MIN_MAX"}
    changed = with_config(pretrained, tmp_path, {"normalization_mapping": modes})
    image = torch.rand(1, 3, 32, 64)
    assert torch.equal(read_act(read_checkpoint(changed)).inputs[1](image), image)


def test_weights_of_a_compiled_network_are_read(pretrained: Path, tmp_path: Path) -> None:
    changed = with_config(pretrained, tmp_path, {})
    weights = load_file(changed / "model.safetensors")
    (changed / "model.safetensors").unlink()
    compiled = {n.replace("model.", "model._orig_mod.", 1): w for n, w in weights.items()}
    save_file(compiled, changed / "model.safetensors")
    with torch.no_grad():
        expected, found = (
            read_act(read_checkpoint(folder))(*observation()) for folder in (pretrained, changed)
        )
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("step", "refused"),
    [
        ({"registry_name": "absolute_actions_processor", "config": {}}, True),
        ({"registry_name": "absolute_actions_processor", "config": {"enabled": False}}, False),
        ({"class": "their.package.Crop"}, True),
        ({"registry_name": "rename_observations_processor", "config": {"rename_map": {}}}, False),
    ],
)
def test_a_step_that_changes_values_is_refused(
    pretrained: Path, tmp_path: Path, step: dict[str, Any], refused: bool
) -> None:
    changed = with_config(pretrained, tmp_path, {})
    path = changed / "policy_postprocessor.json"
    steps = json.loads(path.read_text())["steps"]
    path.unlink()
    path.write_text(json.dumps({"steps": [*steps, step]}))
    name = step.get("registry_name", step.get("class"))
    expected = pytest.raises(TrainingError, match=f"has the step {name}") if refused else nothing()
    with expected:
        read_act(read_checkpoint(changed))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"use_relative_actions": True}, "use_relative_actions is set"),
        ({"vision_backbone": "resnet50"}, "vision_backbone is 'resnet50', expected one of resnet1"),
        ({"n_obs_steps": 2}, "n_obs_steps is 2, expected 1"),
        ({"input_features": None}, "input_features is None, expected a mapping: save the policy"),
        ({"input_features": {STATE: 3}}, "input_features.observation.state is 3, expected a map"),
        ({"chunk_size": 5}, "does not fit config.json .*size mismatch for decoder_pos_embed"),
        ({"chunk_size": "5"}, "unexpected feature: chunk_size is '5' of type str, expected int"),
        (
            {"normalization_mapping": {"STATE": "MIN_MAX"}},
            "no min and max of observation.state: save the policy with its processors",
        ),
        ({"normalization_mapping": {"STATE": "LOG"}}, "of observation.state is 'LOG', expected"),
        (
            {"input_features": {TOP: {"type": "VISUAL", "shape": [3, *CAMERAS[TOP]]}}},
            "input_features has no observation.state",
        ),
    ],
)
def test_a_policy_of_another_kind_is_refused(
    pretrained: Path, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with_config(pretrained, tmp_path, changes)
    with pytest.raises(TrainingError, match=reason):
        read_act(read_checkpoint(tmp_path))


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"config.json cannot be read .*pretrained_model"):
        read_act(read_checkpoint(tmp_path))
