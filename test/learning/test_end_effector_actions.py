"""Policies whose network has poses of the hands, and whose graphs return joint positions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.manifest import require_joints
from dbp_ros.data.units import ColumnUnits
from dbp_ros.errors import TrainingError
from dbp_ros.learning.bundle_checkpoint import checkpoint_of
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.end_effector_actions import EndEffectorNormaliser
from dbp_ros.learning.trained_policy import TrainedPolicy, train
from dbp_ros.policy import load_policy
from dbp_ros.robots.arm_chain import arm_chains
from dbp_ros.settings.robot_files import read_robot

ROBOT = read_robot("ur5e_dual")
CONFIG = TrainConfig(
    action_space="end_effector",
    num_steps=5,
    batch_size=8,
    width=32,
    branch_width=32,
    validate_every=5,
    device="cpu",
)


def demonstrations(episodes: int = 4) -> Demonstrations:
    """Return sinusoids around the start pose, whose actions are the positions one step later."""
    rng, times = np.random.default_rng(0), np.arange(41)[:, None] / 30
    size = np.where(np.isin(ROBOT.joints, ROBOT.gripper_joints), 0.005, 0.2)
    phases = rng.uniform(0.0, 2 * np.pi, (episodes, 1, len(ROBOT.joints)))
    paths = np.array(ROBOT.home_positions) + size * (np.sin(2.0 * times + phases) - 1.0)
    data = Demonstrations.from_arrays(
        paths[:, :-1],
        paths[:, 1:],
        step_s=1 / 30,
        state_names=ROBOT.joints,
        action_names=ROBOT.joints,
    )
    units = ColumnUnits.of_robot(ROBOT.name)
    return replace(data, units=units, robot=ROBOT.name)


@pytest.fixture(scope="module")
def trained() -> TrainedPolicy:
    """A policy after a few updates."""
    return train(demonstrations(), CONFIG)


@pytest.mark.parametrize("relative", [True, False])
def test_normalised_poses_restore_the_joint_positions(relative: bool) -> None:
    data = demonstrations()
    normaliser = EndEffectorNormaliser(
        arm_chains(ROBOT.name), ROBOT.joints, ROBOT.joints, 8, relative
    )
    rows = np.arange(20)
    chunks = torch.from_numpy(data.chunks(rows, 8))
    measured = torch.from_numpy(data.states[rows])
    normalised = normaliser.normalise_actions(chunks, measured)
    assert normalised.shape == (20, 8, 20)
    restored = normaliser.absolute_actions(normalised, measured)
    torch.testing.assert_close(restored, chunks, atol=1e-4, rtol=0.0)


def test_relative_poses_do_not_depend_on_the_place_of_a_motion() -> None:
    normaliser = EndEffectorNormaliser(arm_chains(ROBOT.name), ROBOT.joints, ROBOT.joints, 1, True)
    measured = torch.tensor([ROBOT.home_positions])
    turned = measured.clone()
    turned[:, [ROBOT.joints.index(f"{side}_shoulder_pan_joint") for side in ("left", "right")]] += 1
    shift = 0.05 * torch.ones(1, 1, len(ROBOT.joints))
    first = normaliser.offsets(measured[:, None] + shift, measured)
    second = normaliser.offsets(turned[:, None] + shift, turned)
    torch.testing.assert_close(first[..., :18], second[..., :18], atol=1e-5, rtol=0.0)


def test_the_exported_policy_returns_joint_positions(
    trained: TrainedPolicy, tmp_path: Path
) -> None:
    trained.export(tmp_path / "hands")
    exported = load_policy(tmp_path / "hands")
    manifest = exported.model.manifest
    require_joints(manifest, ROBOT.joints)
    assert manifest.latent_shape == (8, 20)
    meaning = manifest.normaliser["action"]
    assert meaning["left.x"] == {
        "unit": "m",
        "meaning": "relative_to_measured",
        "range": meaning["left.x"]["range"],
    }
    trained.reset(0)
    home = np.array(ROBOT.home_positions, np.float32)
    chunk = exported(home)
    np.testing.assert_allclose(chunk, trained(home), atol=1e-5)
    assert np.abs(chunk[0] - home).max() < 0.5


def test_a_bundle_continues_the_training_of_its_policy(
    trained: TrainedPolicy, tmp_path: Path
) -> None:
    trained.export(tmp_path / "hands")
    found = checkpoint_of(read_bundle(tmp_path / "hands")).policy()
    assert found.shape == trained.network.shape
    states, latent = torch.tensor([[ROBOT.home_positions]]), torch.zeros(1, 1, 8, 20)
    torch.testing.assert_close(
        found.act(states, {}, latent), trained.network.act(states, {}, latent)
    )


def test_poses_need_the_description_of_the_robot() -> None:
    unknown = replace(demonstrations(), robot="")
    with pytest.raises(TrainingError, match="give --robot"):
        train(unknown, CONFIG)


def test_poses_need_all_joints_of_the_arms_in_the_states() -> None:
    names = ("elbow", *ROBOT.joints[1:])
    with pytest.raises(TrainingError, match="states lack left_shoulder_pan_joint of arm left"):
        train(replace(demonstrations(), state_names=names), CONFIG)
