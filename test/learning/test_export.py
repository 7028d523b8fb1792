"""A trained policy as a bundle: whole, and the same numbers as PyTorch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from demonstrations import CONFIG, JOINTS, episode

from dbp_ros.bundle import read_bundle
from dbp_ros.errors import TrainingError
from dbp_ros.learning.checkpoint import read_checkpoint
from dbp_ros.learning.dataset import Demonstrations, join_episodes
from dbp_ros.learning.export import Label, export_bundle, largest_difference
from dbp_ros.learning.policy import pictures
from dbp_ros.learning.trainer import Trainer


@pytest.fixture
def data() -> Demonstrations:
    return join_episodes((episode(index), str(index)) for index in range(5))


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "dbp"},
        {"method": "dbp", "head": "unet", "unet_widths": (16, 16), "crop": 0.9},
        {"method": "ddim", "evaluations": 10},
        {"method": "meanflow"},
        {"method": "consistency"},
    ],
)
def test_the_exported_bundle_is_whole_and_agrees_with_its_proof(
    data: Demonstrations, tmp_path: Path, changes: dict[str, object]
) -> None:
    Trainer(replace(CONFIG, **changes), data, tmp_path / "run").train()
    checkpoint = read_checkpoint(tmp_path / "run")
    worst = export_bundle(checkpoint, data, tmp_path / "models" / "toy", Label("toy"))
    bundle = read_bundle(tmp_path / "models" / "toy")
    assert worst <= 1e-5
    assert largest_difference(bundle.directory, bundle.read_proof(), 1) == worst
    assert bundle.manifest.joints == JOINTS
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["toy"]
    session = onnxruntime.InferenceSession(bundle.path("encoder_head.onnx"))
    small = np.ascontiguousarray(data.images["head"][0])
    large = small.repeat(2, 0).repeat(2, 1)
    (seen,) = session.run(["features"], {"image": small})
    encoder = checkpoint.policy().encoders["head"]
    expected = encoder(pictures(torch.from_numpy(small)[None, None])[0])
    np.testing.assert_allclose(seen, expected, atol=1e-5)
    (resized,) = session.run(["features"], {"image": large})
    assert resized.shape == seen.shape


def test_a_policy_that_measures_something_else_is_not_exported(tmp_path: Path) -> None:
    other = replace(episode(0), state_names=("a", "b", "c"))
    data = join_episodes((other, str(index)) for index in range(2))
    Trainer(CONFIG, data, tmp_path / "run").train()
    with pytest.raises(TrainingError, match="measures the joints that it commands"):
        export_bundle(read_checkpoint(tmp_path / "run"), data, tmp_path / "toy", Label("toy"))
