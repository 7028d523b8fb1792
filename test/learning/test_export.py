"""Export of a trained policy: a complete bundle that agrees with PyTorch."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from toy_episodes import JOINTS, episode
from toy_training import CONFIG

from dbp_ros.bundle.bundle import Bundle, read_bundle
from dbp_ros.bundle.golden import read_golden
from dbp_ros.bundle.manifest import CloudSpec, require_joints
from dbp_ros.data.episode import Episode
from dbp_ros.errors import BundleError, TrainingError
from dbp_ros.learning.checkpoint import read_checkpoint
from dbp_ros.learning.config import METHODS
from dbp_ros.learning.dataset import Demonstrations, join_episodes
from dbp_ros.learning.export import ExportMetadata, export_bundle
from dbp_ros.learning.policy_network import PolicyNetwork, image_tensor
from dbp_ros.learning.trainer import Trainer
from dbp_ros.policy.model import Model

UNET = {"head": "unet", "unet_widths": (16, 16)}
RESNET = {"encoder": "resnet", "resnet_width": 0.25, "features": 8}

Export = Callable[..., tuple[PolicyNetwork, Bundle]]


def joined(change: Callable[[Episode], Episode] = lambda item: item) -> Demonstrations:
    return join_episodes((change(episode(index)), str(index)) for index in range(5))


def with_one_camera(item: Episode) -> Episode:
    return replace(item, images={"head": item.images["head"]})


def without_images(item: Episode) -> Episode:
    return replace(item, images={})


def with_clouds(item: Episode) -> Episode:
    cloud = np.random.default_rng(item.seed).random((len(item), 20, 6), np.float32)
    return replace(item, images={}, points={"head_depth": cloud})


def with_actions_in_pixels(item: Episode) -> Episode:
    """Return an episode whose actions are in pixels and differ from its states."""
    pixels = np.random.default_rng(item.seed).uniform(0, 512, (len(item), 2)).astype(np.float32)
    return replace(
        item,
        state_names=("agent_x", "agent_y", "block.0", "block.1", "block.2"),
        states=np.concatenate([pixels, item.states], axis=1),
        action_names=("action.0", "action.1"),
        actions=pixels,
        images={"observation.images.top": item.images["head"]},
    )


@pytest.fixture
def export(tmp_path: Path) -> Export:
    """Return a function that trains briefly, exports, and returns policy and bundle."""

    def made(data: Demonstrations, changes: dict[str, Any]) -> tuple[PolicyNetwork, Bundle]:
        Trainer(replace(CONFIG, **changes), data, tmp_path / "run").train()
        checkpoint = read_checkpoint(tmp_path / "run")
        worst = export_bundle(checkpoint, data, tmp_path / "models" / "toy", ExportMetadata("toy"))
        bundle = read_bundle(tmp_path / "models" / "toy")
        assert bundle.manifest.metrics["export_difference"] == pytest.approx(worst, rel=1e-2)
        return checkpoint.policy(), bundle

    return made


def difference(policy: PolicyNetwork, bundle: Bundle) -> float:
    """Return the difference between the graphs and PyTorch on the golden observations."""
    model, golden, worst = Model(bundle), read_golden(bundle), 0.0
    with torch.no_grad():
        images = {n: image_tensor(torch.from_numpy(x)) for n, x in golden.images.items()}
        features = policy.encode(images, {n: torch.from_numpy(p) for n, p in golden.points.items()})
        states, latent = torch.from_numpy(golden.positions), torch.from_numpy(golden.latent)
        expected = policy.act(states, features, latent[:, None])[:, 0].numpy()
    for case, action in enumerate(expected):
        chunk = model.predict(
            golden.positions[case], model.encode_case(golden, case), golden.latent[case]
        )
        worst = max(worst, float(np.abs(chunk - action).max()))
    return worst


@pytest.mark.parametrize("method", METHODS)
def test_the_graphs_of_every_method_agree_with_pytorch(export: Export, method: str) -> None:
    policy, bundle = export(joined(without_images), {"method": method, "num_samples": 4})
    assert difference(policy, bundle) <= 1e-5
    assert bundle.manifest.made_by["method"] == method
    assert bundle.manifest.made_by["evaluations"] == 1


def test_the_graph_with_noise_components_agrees_with_pytorch(export: Export) -> None:
    policy, bundle = export(joined(without_images), {"num_components": 4})
    assert difference(policy, bundle) <= 1e-5
    assert policy.method.component.weight.shape == (15, 4)


@pytest.mark.parametrize("method", ["ddim", "flow"])
def test_the_graph_contains_all_inference_steps(export: Export, method: str) -> None:
    changes = {"method": method, "num_inference_steps": 10}
    policy, bundle = export(joined(without_images), changes)
    assert difference(policy, bundle) <= 1e-5
    assert bundle.manifest.made_by["evaluations"] == 10
    policy.method.num_inference_steps = 1
    assert difference(policy, bundle) > 1e-3


@pytest.mark.parametrize(
    "changes",
    [
        {"crop": 0.9},
        {**RESNET, "n_obs_steps": 2},
        {**UNET, "method": "ddim", "num_inference_steps": 3},
    ],
)
def test_a_policy_with_cameras_agrees_with_pytorch(export: Export, changes: dict[str, Any]) -> None:
    policy, bundle = export(joined(with_one_camera), changes)
    assert difference(policy, bundle) <= 1e-5
    assert bundle.manifest.joints == bundle.manifest.states == JOINTS
    assert bundle.manifest.history.length == changes.get("n_obs_steps", 1)
    require_joints(bundle.manifest, JOINTS)


def test_a_policy_with_point_clouds_agrees_with_pytorch(export: Export) -> None:
    policy, bundle = export(joined(with_clouds), {"n_obs_steps": 2, "features": 16})
    assert difference(policy, bundle) <= 1e-5
    spec = CloudSpec("head_depth", 20, 6, 16, "encoder_head_depth.onnx")
    assert bundle.manifest.clouds == (spec,)
    with pytest.raises(BundleError, match="takes point clouds"):
        require_joints(bundle.manifest, JOINTS)


def test_a_policy_in_pixels_agrees_with_pytorch_in_its_own_unit(export: Export) -> None:
    policy, bundle = export(joined(with_actions_in_pixels), {**UNET, "n_obs_steps": 2})
    assert difference(policy, bundle) <= 256 * 1e-5
    assert bundle.manifest.states[0] == "agent_x"
    assert bundle.manifest.joints == ("action.0", "action.1")
    assert bundle.manifest.camera_names == ("observation.images.top",)
    assert bundle.manifest.action.meaning == "as_recorded"
    assert bundle.manifest.proof.tolerance == pytest.approx(0.256, rel=0.1)
    with pytest.raises(BundleError, match="as_recorded"):
        require_joints(bundle.manifest, bundle.manifest.joints)


def test_a_policy_without_states_agrees_with_pytorch(export: Export) -> None:
    def without_states(item: Episode) -> Episode:
        states = np.zeros((len(item), 0), np.float32)
        return replace(with_one_camera(item), state_names=(), states=states)

    policy, bundle = export(joined(without_states), {})
    assert difference(policy, bundle) <= 1e-5
    assert bundle.manifest.states == ()


def test_the_graph_of_an_encoder_crops_the_centre_of_images_of_any_size(export: Export) -> None:
    data = joined()
    policy, bundle = export(data, {"crop": 0.9})
    session = onnxruntime.InferenceSession(bundle.path("encoder_wrist.onnx"))
    small = np.ascontiguousarray(data.images["wrist"][0])
    large = small.repeat(2, 0).repeat(2, 1)
    (seen,) = session.run(["features"], {"image": small})
    expected = policy.encoder("wrist")(image_tensor(torch.from_numpy(small)[None, None])[0])
    np.testing.assert_allclose(seen, expected, atol=1e-5)
    moved = small.copy()
    moved[[0, -1]], moved[:, [0, -1]] = 255, 255
    np.testing.assert_array_equal(session.run(["features"], {"image": moved})[0], seen)
    moved[12, 16] = 255 - small[12, 16]
    assert (session.run(["features"], {"image": moved})[0] != seen).any()
    (resized,) = session.run(["features"], {"image": large})
    assert resized.shape == seen.shape


def test_data_with_other_columns_or_sensors_are_refused_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    checkpoint = Trainer(CONFIG, joined()).checkpoint()
    with pytest.raises(TrainingError, match="use the data set that the policy was trained on"):
        export_bundle(checkpoint, joined(without_images), tmp_path / "toy", ExportMetadata("toy"))
    assert not list(tmp_path.iterdir())
