"""Export of a checkpoint as a model bundle, verified against PyTorch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dbp_ros import __version__
from dbp_ros.bundle.bundle import read_bundle, sha256_of
from dbp_ros.bundle.golden import GoldenCases, write_golden
from dbp_ros.bundle.manifest import (
    ARMS,
    AS_RECORDED,
    ENCODING,
    FORMAT,
    GOLDEN_FILE,
    HEAD_FILE,
    JOINT_POSITION,
    TRAINING_SETTINGS,
    ActionSpec,
    CameraSpec,
    CloudSpec,
    GoldenSpec,
    HistorySpec,
    Manifest,
    write_manifest,
)
from dbp_ros.data.units import ColumnUnits
from dbp_ros.errors import TrainingError
from dbp_ros.files import atomic_folder
from dbp_ros.learning.checkpoint import Checkpoint
from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.graph_weights import ENCODER_PREFIX, HEAD_PREFIX, name_weights
from dbp_ros.learning.onnx_graphs import export_cloud_encoder, export_encoder, export_head
from dbp_ros.learning.policy_network import PolicyNetwork, PolicyShape, image_tensor
from dbp_ros.policy.model import Model
from dbp_ros.settings.policy import DECISION_RATE_HZ

LARGEST_DIFFERENCE = 1e-5
GOLDEN_TOLERANCE = 1e-3
GOLDEN_CASES = 8


@dataclass(frozen=True)
class ExportMetadata:
    """Name and provenance of a bundle.

    Attributes:
        name: Name of the model.
        version: Number of the export among those of the same name.
        control_rate_hz: Intended decision rate.
        commands: Command lines that produced it, starting with the recording.
    """

    name: str
    version: int = 1
    control_rate_hz: float = DECISION_RATE_HZ
    commands: tuple[str, ...] = ()


def encoder_file(sensor: str) -> str:
    """Return the file name of the encoder of a camera or a point cloud."""
    return f"encoder_{sensor.replace('/', '__')}.onnx"


def record_golden(
    policy: PolicyNetwork, data: Demonstrations, cases: int, seed: int
) -> GoldenCases:
    """Return recorded observations with the actions that PyTorch computes."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(data.states), min(cases, len(data.states)), False))
    horizon, nu = policy.chunk_shape
    batch = data.batch(rows, horizon, policy.n_obs_steps)
    latent = rng.standard_normal((len(rows), horizon, nu), dtype=np.float32)
    with torch.no_grad():
        images = {name: image_tensor(image) for name, image in batch.images.items()}
        features = policy.encode(images, batch.points)
        action = policy.act(batch.states, features, torch.from_numpy(latent)[:, None])[:, 0]
    return GoldenCases(
        positions=batch.states.numpy(),
        images={name: image.numpy() for name, image in batch.images.items()},
        points={name: cloud.numpy() for name, cloud in batch.points.items()},
        latent=latent,
        action=action.numpy(),
    )


def export_bundle(
    checkpoint: Checkpoint, data: Demonstrations, directory: Path, info: ExportMetadata
) -> float:
    """Write a model bundle atomically.

    Args:
        checkpoint: A run's checkpoint; its averaged weights are exported.
        data: Source of the observations of the golden cases.
        directory: Folder of the bundle; an older bundle there is replaced.
        info: Name and provenance.

    Returns:
        Largest difference between the graphs and PyTorch over the golden cases, in the unit of the
        actions.

    Raises:
        TrainingError: If the difference exceeds 1e-5, or the data set has other columns or sensors.
    """
    shape = PolicyShape.of(data, checkpoint.config)
    if shape != checkpoint.shape:
        raise TrainingError(
            f"expected {checkpoint.shape}, got {shape}: use the data set that the policy was "
            "trained on"
        )
    policy = checkpoint.policy()
    with atomic_folder(directory) as staging:
        for camera, size in shape.cameras.items():
            export_encoder(policy.encoder(camera), size, staging / encoder_file(camera))
        for sensor, size in shape.clouds.items():
            export_cloud_encoder(policy.encoder(sensor), size, staging / encoder_file(sensor))
        export_head(policy, staging / HEAD_FILE)
        _name_weights(policy, staging)
        write_golden(
            staging / GOLDEN_FILE, record_golden(policy, data, GOLDEN_CASES, checkpoint.config.seed)
        )
        manifest = _manifest(checkpoint, policy, staging, info)
        write_manifest(staging, manifest)
        worst = Model(read_bundle(staging)).golden_error()
        largest = LARGEST_DIFFERENCE * _unit(policy)
        if not worst <= largest:
            raise TrainingError(
                f"the exported graphs differ from PyTorch by {worst:.2e}, expected at most "
                f"{largest:.0e}: nothing was exported"
            )
        metrics = {**manifest.metrics, "export_difference": float(f"{worst:.3g}")}
        write_manifest(staging, replace(manifest, metrics=metrics))
    return worst


def _name_weights(policy: PolicyNetwork, directory: Path) -> None:
    """Give the weights in the graphs the names of their parameters and buffers."""
    prefixes = tuple(map(policy.encoder_prefix, policy.feature_sizes))
    for sensor in policy.feature_sizes:
        weights = policy.encoder(sensor).state_dict(prefix=ENCODER_PREFIX)
        name_weights(directory / encoder_file(sensor), weights)
    head = policy.state_dict().items()
    named = {f"{HEAD_PREFIX}{n}": value for n, value in head if not n.startswith(prefixes)}
    name_weights(directory / HEAD_FILE, named)


def _unit(policy: PolicyNetwork) -> float:
    """Return the unit of an action's error: half its range, at least 1.

    For actions in pixels, up to 512, single precision is coarser than the tolerance of a joint.
    """
    return max(1.0, float(policy.normaliser.action_half_range.max()))


def _manifest(
    checkpoint: Checkpoint, policy: PolicyNetwork, directory: Path, info: ExportMetadata
) -> Manifest:
    shape, metadata, sizes = checkpoint.shape, checkpoint.metadata, policy.feature_sizes
    finetuned = metadata.get("finetuned", {})
    units = ColumnUnits.of_selection(checkpoint.selection)
    joints = all(units.of(name) for name in shape.action_names)
    return Manifest(
        format=FORMAT,
        name=info.name,
        version=info.version,
        joints=shape.action_names,
        states=shape.state_names,
        action=ActionSpec(
            JOINT_POSITION if joints else AS_RECORDED,
            policy.chunk_shape[0],
            shape.step_s,
            policy.chunk_shape[1],
        ),
        history=HistorySpec(policy.n_obs_steps, shape.step_s),
        cameras=tuple(
            CameraSpec(name, height, width, ENCODING, sizes[name], encoder_file(name))
            for name, (height, width) in shape.cameras.items()
        ),
        clouds=tuple(
            CloudSpec(name, points, channels, sizes[name], encoder_file(name))
            for name, (points, channels) in shape.clouds.items()
        ),
        head=HEAD_FILE,
        control_rate_hz=info.control_rate_hz,
        proof=GoldenSpec(GOLDEN_FILE, GOLDEN_TOLERANCE * _unit(policy)),
        files={path.name: sha256_of(path) for path in sorted(directory.iterdir())},
        normaliser=policy.normaliser.describe(shape.state_names, shape.action_names, units),
        made_by={
            "commands": list(info.commands),
            "seed": checkpoint.config.seed,
            "method": checkpoint.config.method,
            TRAINING_SETTINGS: asdict(checkpoint.config),
            **({ARMS: [asdict(arm) for arm in shape.arms]} if shape.arms else {}),
            "evaluations": checkpoint.config.num_inference_steps,
            "dataset": metadata["dataset"],
            "initial_model": metadata.get("initial_model", {}).get("sha256", ""),
            "updates": metadata["update"],
            **_finetuning(finetuned),
            "train_s": metadata["train_s"],
            "versions": {
                "dbp_ros": __version__,
                "torch": str(torch.__version__),
                "onnx": version("onnx"),
            },
        },
        # Those of a fine-tuned policy are of the weights before.
        metrics={} if finetuned else _rounded(metadata["metrics"]),
    )


def _finetuning(finetuned: Mapping[str, Any]) -> dict[str, Any]:
    """Return updates, environment and settings of online learning; nothing without it."""
    if not finetuned:
        return {}
    known = ("config", "env", "env_flags")
    made = {key: finetuned[key] for key in known if key in finetuned}
    return {"finetune_updates": finetuned.get("updates", 0), "finetune": made}


def _rounded(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.6g}") for name, value in metrics.items()}
