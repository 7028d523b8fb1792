"""A diffusion checkpoint of LeRobot gives the actions of LeRobot, as a graph and as a bundle."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from lerobot_import.act_files import STATE, TOP, WRIST
from lerobot_import.diffusion_files import CONFIG, SIZES, observation, write_checkpoint

from dbp_ros.cli.main import main
from dbp_ros.errors import TrainingError
from dbp_ros.lerobot_import.checkpoint import read_checkpoint
from dbp_ros.lerobot_import.diffusion import read_diffusion
from dbp_ros.policy import load_policy

OTHER = {
    "use_separate_rgb_encoder_per_camera": False,
    "use_group_norm": False,
    "use_film_scale_modulation": False,
    "prediction_type": "sample",
    "crop_shape": None,
}
# Actions of LeRobot 0.4.4 for this checkpoint, observation and noise, with its normalisation.
LEROBOT = [
    [0.994644, 0.554889, 0.00077],
    [0.905596, -1.944506, 0.002273],
    [1.0, -1.969286, 0.079051],
    [0.959047, -1.872411, 0.093608],
]
LEROBOT_OTHER = [
    [-0.268128, 0.139807, 0.04698],
    [-0.379121, 0.164396, 0.047109],
    [-0.323155, 0.282003, 0.046437],
    [-0.51463, 0.338808, 0.06076],
]


@pytest.mark.parametrize(("changes", "expected"), [({}, LEROBOT), (OTHER, LEROBOT_OTHER)])
def test_the_actions_are_those_of_lerobot(
    tmp_path: Path, changes: dict[str, Any], expected: list[list[float]]
) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "pretrained_model", **changes))
    policy = read_diffusion(checkpoint, None)
    assert policy.denoiser.num_inference_steps == 5
    actions = policy.act(*observation())[0]
    assert actions.shape == (7, 3)
    np.testing.assert_allclose(actions[:4], expected, atol=2e-4)


def test_a_checkpoint_becomes_a_graph_and_a_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrained, graph = tmp_path / "pretrained_model", tmp_path / "diffusion.onnx"
    write_checkpoint(pretrained, noise_scheduler_type="DDPM", num_inference_steps=None)
    assert main(["import-lerobot", str(pretrained), "--out", str(graph)]) == 0
    shown = capsys.readouterr().out
    assert "sampled by DDIM in 10 steps; the checkpoint has DDPM" in shown
    assert "executes 4 points of a chunk" in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "diffusion.onnx",
        "pretrained_model",
    ]
    nodes = onnx.load(graph).graph.node
    (loop,) = [node for node in nodes if node.op_type == "Loop"]
    # The images are encoded once for each chunk.
    convolutions = [node.input[1] for node in loop.attribute[0].g.node if node.op_type == "Conv"]
    assert convolutions
    assert not [name for name in convolutions if "rgb_encoder" in name]
    mapping, out = tmp_path / "diffusion.yaml", tmp_path / "models" / "diffusion"
    values = {
        "joints": ["a", "b", "c"],
        "step_s": 0.05,
        "n_action_steps": 4,
        "positions": {STATE: {"layout": "NTD"}},
        "images": {
            TOP: {"camera": "top", "layout": "NTCHW"},
            WRIST: {"camera": "wrist", "layout": "NTCHW"},
        },
        "noise": ["noise"],
        "actions": {"action": {}},
    }
    mapping.write_text(yaml.safe_dump(values))
    assert main(["import", str(graph), "--mapping", str(mapping), "--out", str(out)]) == 0
    policy = load_policy(out)
    state, images, _ = observation()
    pixels = {
        name: np.round(255 * image[0, -1].numpy()).astype(np.uint8).transpose(1, 2, 0)
        for name, image in zip(("top", "wrist"), images, strict=True)
    }
    assert policy(state[0, -1].numpy(), pixels).shape == (7, 3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vision_backbone": "resnet50"}, "vision_backbone is 'resnet50', expected one of resnet1"),
        ({"down_dims": [16, 32]}, "does not fit config.json"),
        ({"beta_schedule": "sigmoid"}, "beta_schedule is 'sigmoid'"),
        ({"horizon": "8"}, "unexpected feature: horizon is '8' of type str, expected int"),
    ],
)
def test_a_policy_with_another_option_is_refused(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    folder = write_checkpoint(tmp_path / "pretrained_model")
    (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}))
    with pytest.raises(TrainingError, match=reason):
        read_diffusion(read_checkpoint(folder), None)


def test_the_number_of_steps_is_chosen(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "pretrained_model"))
    assert read_diffusion(checkpoint, 20).denoiser.num_inference_steps == 20
    with pytest.raises(TrainingError, match="num_inference_steps is 101, expected at most"):
        read_diffusion(checkpoint, 101)


def test_another_kind_of_policy_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Policies such as pi0 have no backbone of this name."""
    folder = write_checkpoint(tmp_path / "pretrained_model")
    config = {key: value for key, value in CONFIG.items() if key not in SIZES}
    (folder / "config.json").write_text(json.dumps({**config, "type": "pi0"}))
    assert main(["import-lerobot", str(folder), "--out", str(tmp_path / "x.onnx")]) == 1
    assert "type is 'pi0', expected act or diffusion: export this policy" in capsys.readouterr().err
