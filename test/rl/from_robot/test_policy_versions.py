"""What explores on a robot says what PyTorch says; its likelihood is told from its files."""

import copy
import shutil

import numpy as np
import onnx
import torch

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.golden import read_golden
from dbp_ros.policy.exploring_runner import ExploringRunner
from dbp_ros.policy.model import Model
from dbp_ros.rl.from_robot.policy_versions import PolicyVersions, features_of, recomputed_log_prob
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.telemetry.policy_step import parse_policy_step
from dbp_ros.types import NS_PER_S, Frame

NOW_NS = 1000 * NS_PER_S


def test_a_version_passes_its_own_proof_and_says_what_it_is(folder, imitated):
    bundle = read_bundle(folder / "1")
    assert Model(bundle).self_test() <= 1e-5
    assert bundle.manifest.stochastic
    assert bundle.manifest.version == 1
    assert bundle.manifest.made_by["parent"] == imitated[1].sha256
    assert [path.name for path in folder.iterdir()] == ["1"]


def test_without_noise_an_explorer_is_the_policy_that_was_imitated(folder, imitated):
    before, after = read_golden(imitated[1]), read_golden(read_bundle(folder / "1"))
    np.testing.assert_allclose(after.action, before.action, atol=1e-5)


def test_exporting_leaves_the_mode_of_the_learner_alone(actor, imitated, tmp_path):
    actor.train()
    PolicyVersions(tmp_path).export(actor, imitated[1], 2)
    assert actor.policy.method.training


def test_versions_are_found_again_by_their_sha256(folder):
    versions = PolicyVersions(folder)
    assert versions.newest is not None
    assert versions.newest.manifest.version == 1
    assert versions.find(versions.newest.sha256) is versions.find(versions.newest.sha256)
    assert versions.find("0" * 64) is None


def test_the_likelihood_on_the_robot_is_that_of_the_weights_within_1e_4(folder, actor):
    """From a picture to JSON on the robot; from JSON and weights to the likelihood in a learner."""
    model = Model(read_bundle(folder / "1"))
    explorer = ExploringRunner(model, PolicyConfig(latent_seed=0, n_action_steps=4))
    known = PolicyVersions(folder).find(model.bundle.sha256)
    chance = np.random.default_rng(0)
    # The graphs are those that ran on the robot; PyTorch rounds otherwise.
    allowed, worst = {"graphs": 1e-4, "torch": 1e-3}, {"graphs": 0.0, "torch": 0.0}
    for step in range(40):
        now_ns = NOW_NS + step * NS_PER_S // 5
        images = {
            name: chance.integers(0, 256, (24, 32, 3), np.uint8)
            for name in model.manifest.camera_names
        }
        positions = np.float32([chance.uniform(0, 1), 0.0, 0.04])
        explorer.add_joint_state(positions, now_ns, now_ns)
        for name, image in images.items():
            explorer.add_image(name, Frame(image, now_ns), now_ns)
        explorer.step(now_ns)
        decision = parse_policy_step(explorer.execution.take_last_decision().to_json())
        features = features_of(known, images)
        told = {
            "graphs": recomputed_log_prob(known, decision, features),
            "torch": torch_log_prob(actor, decision, features),
        }
        for name, log_prob in told.items():
            worst[name] = max(worst[name], abs(log_prob - decision.log_prob))
    print(worst)
    assert all(worst[name] <= allowed[name] for name in worst)


@torch.no_grad()
def torch_log_prob(actor, decision, features):
    states = torch.from_numpy(decision.positions)[None]
    given = {name: torch.from_numpy(seen)[None] for name, seen in features.items()}
    law = actor(actor.policy.observe(states, given), torch.from_numpy(decision.latent)[None])
    executed = torch.tensor([decision.executed])
    return float(law.log_prob(torch.from_numpy(decision.normalised)[None], executed))


def test_a_later_version_is_written_without_tracing_and_says_what_pytorch_says(
    actor, imitated, folder, tmp_path
):
    shutil.copytree(folder / "1", tmp_path / "1")
    versions, changed = PolicyVersions(tmp_path), copy.deepcopy(actor)
    with torch.no_grad():
        for value in changed.parameters():
            value += 0.01 * torch.randn_like(value)
    # Whatever is not put in place is found: the export compares with PyTorch.
    bundle = versions.export(changed, imitated[1], 2)
    assert Model(bundle).self_test() <= 1e-5
    assert versions.newest is bundle
    first, second = (onnx.load(tmp_path / n / "head.onnx").graph for n in ("1", "2"))
    assert first.node == second.node
    assert first.initializer != second.initializer
