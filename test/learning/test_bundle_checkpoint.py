"""A policy is restored from its bundle."""

from dataclasses import replace

import pytest
import torch
from toy_episodes import episode
from toy_training import ORDINARY_WIDTH

from dbp_ros.bundle.bundle import Bundle, read_bundle
from dbp_ros.bundle.golden import read_golden
from dbp_ros.bundle.manifest import TRAINING_SETTINGS, write_manifest
from dbp_ros.errors import TrainingError
from dbp_ros.learning.bundle_checkpoint import checkpoint_of
from dbp_ros.learning.checkpoint import Checkpoint, read_checkpoint
from dbp_ros.learning.dataset import join_episodes
from dbp_ros.learning.export import ExportMetadata, export_bundle
from dbp_ros.learning.quantization import PRECISIONS, quantize_bundle
from dbp_ros.learning.trainer import Trainer

DATA = join_episodes((episode(index), str(index)) for index in range(5))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Checkpoint:
    """Return a checkpoint whose latent is half annealed."""
    folder = tmp_path_factory.mktemp("run")
    Trainer(ORDINARY_WIDTH, DATA, folder).train()
    trained = read_checkpoint(folder)
    tensors = {
        name: 0.5 * value if name.endswith("latent_scale") else value
        for name, value in trained.tensors.items()
    }
    return replace(trained, tensors=tensors)


@pytest.fixture(scope="module")
def bundle(checkpoint: Checkpoint, tmp_path_factory) -> Bundle:
    folder = tmp_path_factory.mktemp("models") / "toy"
    export_bundle(checkpoint, DATA, folder, ExportMetadata("toy"))
    return read_bundle(folder)


def test_weights_buffers_and_settings_are_those_of_the_checkpoint(
    checkpoint: Checkpoint, bundle: Bundle
) -> None:
    restored = checkpoint_of(bundle)
    assert (restored.config, restored.shape) == (checkpoint.config, checkpoint.shape)
    expected = checkpoint.part("average")
    assert restored.part("average").keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(restored.part("average")[name], weight, rtol=0, atol=0)


def test_training_continues_with_the_whole_latent(checkpoint: Checkpoint) -> None:
    trainer = Trainer(checkpoint.config, DATA)
    trainer.start_from(checkpoint, {})
    scales = [
        float(buffer)
        for network in (trainer.policy, trainer.ema.network)
        for name, buffer in network.named_buffers()
        if name.endswith("latent_scale")
    ]
    assert scales == [1.0, 1.0]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_weights_of_a_quantized_bundle_are_rounded(
    checkpoint: Checkpoint, bundle: Bundle, tmp_path, precision: str
) -> None:
    quantize_bundle(bundle, tmp_path / "small", precision, read_golden(bundle), "toy", "")
    restored = checkpoint_of(read_bundle(tmp_path / "small")).part("average")
    exact = checkpoint.part("average")
    for name, weight in exact.items():
        largest = float(weight.float().abs().max())
        torch.testing.assert_close(restored[name], weight, rtol=0, atol=0.02 * largest)
    assert any(not torch.equal(restored[name], weight) for name, weight in exact.items())


def test_a_bundle_without_training_settings_is_refused(bundle: Bundle, tmp_path) -> None:
    made_by = {k: v for k, v in bundle.manifest.made_by.items() if k != TRAINING_SETTINGS}
    for file in bundle.manifest.files:
        (tmp_path / file).write_bytes(bundle.path(file).read_bytes())
    write_manifest(tmp_path, replace(bundle.manifest, made_by=made_by))
    with pytest.raises(TrainingError, match="has no training settings: export it"):
        checkpoint_of(read_bundle(tmp_path))
