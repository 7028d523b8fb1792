"""Bundles of any size with random weights, for timing."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dbp_ros.bundle.bundle import read_bundle, sha256_of
from dbp_ros.bundle.golden import GoldenCases, write_golden
from dbp_ros.bundle.manifest import (
    ENCODING,
    FORMAT,
    GOLDEN_FILE,
    HEAD_FILE,
    JOINT_POSITION,
    ActionSpec,
    CameraSpec,
    GoldenSpec,
    HistorySpec,
    Manifest,
    write_manifest,
)
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.onnx_graphs import export_encoder, export_head
from dbp_ros.learning.policy_network import PolicyNetwork, PolicyShape
from dbp_ros.policy.model import Model
from dbp_ros.settings.dual_ur5e import ARM_JOINTS

ENCODER = "encoder.onnx"
STEP_S = 1 / 30
TOLERANCE = 1e-3
SEED = 0


@dataclass(frozen=True)
class PolicySize:
    """Size of a policy.

    Attributes:
        cameras: Number of cameras, each with its own encoder pass.
        pixels: Height and width of an image.
        horizon: Points of a chunk.
        arms: Number of arms with six joints and a gripper.
    """

    cameras: int
    pixels: int
    horizon: int
    arms: int


def write_random_bundle(directory: Path, size: PolicySize) -> Path:
    """Write a bundle and return its folder."""
    torch.manual_seed(SEED)
    directory.mkdir(parents=True, exist_ok=True)
    names = [f"camera_{number}" for number in range(size.cameras)]
    joints = tuple(
        f"arm_{arm}_{joint}" for arm in range(size.arms) for joint in (*ARM_JOINTS, "gripper_joint")
    )
    cameras = dict.fromkeys(names, (size.pixels, size.pixels))
    shape = PolicyShape(joints, joints, cameras, {}, STEP_S)
    policy = PolicyNetwork(shape, TrainConfig(horizon=size.horizon)).eval()
    export_encoder(policy.encoder(names[0]), (size.pixels, size.pixels), directory / ENCODER)
    export_head(policy, directory / HEAD_FILE)
    (directory / GOLDEN_FILE).touch()
    manifest = Manifest(
        format=FORMAT,
        name="random",
        version=1,
        joints=joints,
        states=joints,
        action=ActionSpec(JOINT_POSITION, size.horizon, STEP_S),
        history=HistorySpec(1, STEP_S),
        cameras=tuple(
            CameraSpec(
                name, size.pixels, size.pixels, ENCODING, policy.feature_sizes[name], ENCODER
            )
            for name in names
        ),
        clouds=(),
        head=HEAD_FILE,
        control_rate_hz=125.0,
        proof=GoldenSpec(GOLDEN_FILE, TOLERANCE),
        files=_hashes(directory),
    )
    write_manifest(directory, manifest)
    _write_golden(directory, manifest)
    return directory


def _write_golden(directory: Path, manifest: Manifest) -> None:
    """Record the golden cases and update the manifest."""
    rng, model = np.random.default_rng(SEED), Model(read_bundle(directory))
    nu, horizon = len(manifest.joints), manifest.action.horizon
    images = {
        camera.name: rng.integers(0, 256, (1, 1, camera.height, camera.width, 3), dtype=np.uint8)
        for camera in manifest.cameras
    }
    positions = np.zeros((1, 1, nu), np.float32)
    latent = rng.standard_normal((1, horizon, nu), dtype=np.float32)
    golden = GoldenCases(positions, images, {}, latent, np.zeros((1, horizon, nu), np.float32))
    action = model.predict(positions[0], model.encode_case(golden, 0), latent[0])
    write_golden(directory / GOLDEN_FILE, GoldenCases(positions, images, {}, latent, action[None]))
    manifest.files.update(_hashes(directory))
    write_manifest(directory, manifest)


def _hashes(directory: Path) -> dict[str, str]:
    return {name: sha256_of(directory / name) for name in (ENCODER, HEAD_FILE, GOLDEN_FILE)}
