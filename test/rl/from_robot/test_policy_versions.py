"""Exported versions agree with PyTorch, and their likelihoods can be recomputed."""

import copy
import shutil

import numpy as np
import onnx
import torch
from learning.test_end_effector_actions import CONFIG, ROBOT, demonstrations

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.golden import read_golden
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.learning.trained_policy import train
from dbp_ros.policy.exploring_runner import ExploringRunner
from dbp_ros.policy.model import Model
from dbp_ros.rl.from_robot.policy_versions import (
    DELETED,
    PolicyVersions,
    encode_images,
    recomputed_log_prob,
)
from dbp_ros.rl.stochastic_policy import StochasticPolicy
from dbp_ros.settings.finetune import FinetuneConfig
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.telemetry.policy_step import parse_policy_step
from dbp_ros.types import NS_PER_S, Frame

NOW_NS = 1000 * NS_PER_S


def test_a_version_passes_its_self_test_and_names_its_parent(folder, pretrained):
    bundle = read_bundle(folder / "1")
    assert Model(bundle).self_test() <= 1e-5
    assert bundle.manifest.stochastic
    assert bundle.manifest.version == 1
    assert bundle.manifest.made_by["parent"] == pretrained[1].sha256
    assert [path.name for path in folder.iterdir()] == ["1"]


def test_without_noise_the_actions_are_those_of_the_pretrained_policy(folder, pretrained):
    before, after = read_golden(pretrained[1]), read_golden(read_bundle(folder / "1"))
    np.testing.assert_allclose(after.action, before.action, atol=1e-5)


def test_an_export_does_not_change_the_mode_of_the_learner(actor, pretrained, tmp_path):
    actor.train()
    PolicyVersions(tmp_path).export(actor, pretrained[1], 2)
    assert actor.policy.method.training


def test_versions_are_loaded_by_their_sha256(folder):
    versions = PolicyVersions(folder)
    assert versions.newest is not None
    assert versions.newest.manifest.version == 1
    assert versions.model(versions.newest.sha256) is versions.model(versions.newest.sha256)
    assert versions.model("0" * 64) is None


def test_the_likelihood_on_the_robot_matches_the_weights_within_1e_4(folder, actor):
    """From an image to JSON on the robot, and from JSON and weights to the likelihood."""
    model = Model(read_bundle(folder / "1"))
    explorer = ExploringRunner(model, PolicyConfig(latent_seed=0, n_action_steps=4))
    known = PolicyVersions(folder).model(model.bundle.sha256)
    rng = np.random.default_rng(0)
    # The graphs are those that ran on the robot; PyTorch rounds differently.
    allowed, worst = {"graphs": 1e-4, "torch": 1e-3}, {"graphs": 0.0, "torch": 0.0}
    for step in range(40):
        now_ns = NOW_NS + step * NS_PER_S // 5
        images = {
            name: rng.integers(0, 256, (24, 32, 3), np.uint8)
            for name in model.manifest.camera_names
        }
        positions = np.float32([rng.uniform(0, 1), 0.0, 0.04])
        explorer.add_joint_state(positions, now_ns, now_ns)
        for name, image in images.items():
            explorer.add_image(name, Frame(image, now_ns), now_ns)
        explorer.step(now_ns)
        decision = parse_policy_step(explorer.execution.take_last_decision().to_json())
        features = encode_images(known, images)
        recomputed = {
            "graphs": recomputed_log_prob(known, decision, features),
            "torch": torch_log_prob(actor, decision, features),
        }
        for name, log_prob in recomputed.items():
            worst[name] = max(worst[name], abs(log_prob - decision.log_prob))
    print(worst)
    assert all(worst[name] <= allowed[name] for name in worst)


@torch.no_grad()
def torch_log_prob(actor, decision, features):
    states = torch.from_numpy(decision.positions)[None]
    tensors = {name: torch.from_numpy(value)[None] for name, value in features.items()}
    distribution = actor(
        actor.policy.observe(states, tensors), torch.from_numpy(decision.latent)[None]
    )
    executed = torch.tensor([decision.executed])
    return float(distribution.log_prob(torch.from_numpy(decision.normalised)[None], executed))


def test_a_later_version_is_exported_without_tracing_and_matches_pytorch(
    actor, pretrained, folder, tmp_path
):
    shutil.copytree(folder / "1", tmp_path / "1")
    versions, changed = PolicyVersions(tmp_path), copy.deepcopy(actor)
    with torch.no_grad():
        for value in changed.parameters():
            value += 0.01 * torch.randn_like(value)
    # The export compares with PyTorch, so a missing weight raises.
    bundle = versions.export(changed, pretrained[1], 2)
    assert Model(bundle).self_test() <= 1e-5
    assert versions.newest is bundle
    first, second = (onnx.load(tmp_path / n / "head.onnx").graph for n in ("1", "2"))
    assert first.node == second.node
    assert first.initializer != second.initializer


def test_the_oldest_versions_are_deleted_and_an_interrupted_deletion_is_completed(
    actor, pretrained, folder, tmp_path
):
    shutil.copytree(folder / "1", tmp_path / "1")
    shutil.copytree(folder / "1", tmp_path / f"{DELETED}0")
    (tmp_path / f"{DELETED}0" / MANIFEST).unlink()
    versions = PolicyVersions(tmp_path, capacity=2)
    for version in (2, 3):
        versions.export(actor, pretrained[1], version)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3"]
    assert PolicyVersions(tmp_path).newest.manifest.version == 3


def test_a_policy_of_hands_explores_and_its_steps_are_read_again(tmp_path):
    trained = train(demonstrations(), CONFIG)
    parent = read_bundle(trained.export(tmp_path / "hands"))
    actor = StochasticPolicy(trained.network, FinetuneConfig())
    model = Model(PolicyVersions(tmp_path / "versions").export(actor, parent, 1))
    explorer = ExploringRunner(model, PolicyConfig(latent_seed=0, n_action_steps=4))
    explorer.add_joint_state(np.array(ROBOT.home_positions, np.float32), NOW_NS, NOW_NS)
    explorer.step(NOW_NS)
    step = parse_policy_step(explorer.execution.take_last_decision().to_json())
    assert (step.normalised.shape, step.action.shape) == ((8, 20), (4, 14))
    np.testing.assert_allclose(recomputed_log_prob(model, step, {}), step.log_prob, atol=1e-3)
