"""From a checkpoint to a model bundle, with proof that the graphs say what PyTorch said."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from dbp_ros import __version__
from dbp_ros.bundle import (
    ACTION_MEANING,
    ENCODING,
    FORMAT,
    ActionSpec,
    CameraSpec,
    HistorySpec,
    Manifest,
    Proof,
    ProofSpec,
    sha256_of,
    write_manifest,
)
from dbp_ros.errors import TrainingError
from dbp_ros.files import folder_aside
from dbp_ros.learning.checkpoint import Checkpoint
from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.graphs import export_encoder, export_head
from dbp_ros.learning.policy import Policy, PolicyShape, pictures

HEAD = "head.onnx"
PROOF = "proof.npz"
LARGEST_DIFFERENCE = 1e-5
PROOF_TOLERANCE = 1e-3
PROOF_CASES = 8


@dataclass(frozen=True)
class Label:
    """What a bundle is called and how it was made.

    Attributes:
        name: Name of the model.
        version: Counts exports of one name.
        control_rate_hz: Decisions a second that the model is meant for.
        commands: Command lines that made it, from the episodes on.
    """

    name: str
    version: int = 1
    control_rate_hz: float = 125.0
    commands: tuple[str, ...] = ()


def encoder_file(camera: str) -> str:
    """Return the name of a camera's graph."""
    return f"encoder_{camera}.onnx"


def record_proof(policy: Policy, data: Demonstrations, cases: int, seed: int) -> Proof:
    """Return recorded observations with what PyTorch makes of them."""
    chance = np.random.default_rng(seed)
    rows = np.sort(chance.choice(len(data.states), min(cases, len(data.states)), False))
    horizon, nu = policy.chunk_shape
    batch = data.batch(rows, horizon, policy.history)
    latent = chance.standard_normal((len(rows), horizon, nu), dtype=np.float32)
    with torch.no_grad():
        images = {name: pictures(seen) for name, seen in batch.images.items()}
        features = policy.encode(images, {})
        action = policy.act(batch.states, features, torch.from_numpy(latent)[:, None])[:, 0]
    return Proof(
        images={name: seen[:, -1].numpy() for name, seen in batch.images.items()},
        positions=batch.states.numpy(),
        latent=latent,
        action=action.numpy(),
    )


def largest_difference(directory: Path, proof: Proof, history: int) -> float:
    """Return how far the exported graphs are from a proof, in [rad] and [m].

    Raises:
        TrainingError: If the history is longer than the one picture that a proof holds.
    """
    if history != 1:
        raise TrainingError(
            f"history = {history}: a proof holds one picture a camera, so only history 1 can be "
            "exported; train with --history 1"
        )
    features = {
        f"features.{camera}": _run_each(directory / encoder_file(camera), images)
        for camera, images in proof.images.items()
    }
    head = onnxruntime.InferenceSession(directory / HEAD)
    worst = 0.0
    for case, expected in enumerate(proof.action):
        inputs = {name: seen[case][None] for name, seen in features.items()}
        inputs |= {
            "positions": proof.positions[case][None],
            "latent": proof.latent[case][None],
        }
        (action,) = head.run(["action"], inputs)
        worst = max(worst, float(np.abs(action[0] - expected).max()))
    return worst


def _run_each(path: Path, images: Any) -> Any:
    session = onnxruntime.InferenceSession(path)
    return np.stack([session.run(["features"], {"image": image})[0] for image in images])


def export_bundle(
    checkpoint: Checkpoint, data: Demonstrations, directory: Path, label: Label
) -> float:
    """Write a model bundle aside and rename it.

    Args:
        checkpoint: A run's checkpoint; its averaged weights are exported.
        data: Where the proof's observations come from.
        directory: Folder of the bundle; an older bundle there is replaced.
        label: What to call it.

    Returns:
        Largest difference between the graphs and PyTorch over the proof, in [rad] and [m].

    Raises:
        TrainingError: If the difference is more than 1e-5, or the data set is of other wiring.
    """
    shape = PolicyShape.of(data)
    if shape != checkpoint.shape:
        raise TrainingError(
            f"expected {checkpoint.shape}, got {shape}: give the data set that the policy was "
            "trained on"
        )
    if shape.clouds or shape.state_names != shape.action_names:
        raise TrainingError(
            f"states {shape.state_names}, actions {shape.action_names}, point clouds "
            f"{tuple(shape.clouds)}: only a policy that measures the joints that it commands, "
            "without point clouds, can be exported"
        )
    policy = checkpoint.policy()
    with folder_aside(directory) as aside:
        for camera, encoder in policy.encoders.items():
            size = checkpoint.shape.cameras[camera]
            export_encoder(encoder, size, aside / encoder_file(camera))
        export_head(policy, aside / HEAD)
        proof = record_proof(policy, data, PROOF_CASES, checkpoint.config.seed)
        worst = largest_difference(aside, proof, policy.history)
        if not worst <= LARGEST_DIFFERENCE:
            raise TrainingError(
                f"the exported graphs differ from PyTorch by {worst:.2e} rad or m, at most "
                f"{LARGEST_DIFFERENCE:.0e} is allowed: nothing was exported"
            )
        write_proof(aside / PROOF, proof)
        write_manifest(aside, _manifest(checkpoint, policy, aside, label, worst))
    return worst


def write_proof(path: Path, proof: Proof) -> None:
    """Write the proof of a bundle."""
    arrays: dict[str, Any] = {f"image.{camera}": seen for camera, seen in proof.images.items()}
    arrays |= {"positions": proof.positions, "latent": proof.latent, "action": proof.action}
    np.savez_compressed(path, **arrays)


def _manifest(
    checkpoint: Checkpoint, policy: Policy, directory: Path, label: Label, worst: float
) -> Manifest:
    shape, facts = checkpoint.shape, checkpoint.facts
    return Manifest(
        format=FORMAT,
        name=label.name,
        version=label.version,
        joints=shape.action_names,
        action=ActionSpec(ACTION_MEANING, policy.method.head.horizon, shape.step_s),
        history=HistorySpec(policy.history, shape.step_s),
        cameras=tuple(
            CameraSpec(
                name, height, width, ENCODING, policy.feature_sizes[name], encoder_file(name)
            )
            for name, (height, width) in shape.cameras.items()
        ),
        head=HEAD,
        control_rate_hz=label.control_rate_hz,
        proof=ProofSpec(PROOF, PROOF_TOLERANCE),
        files={path.name: sha256_of(path) for path in sorted(directory.iterdir())},
        normaliser=policy.normaliser.describe(shape.state_names, shape.action_names),
        made_by={
            "commands": list(label.commands),
            "seed": checkpoint.config.seed,
            "method": checkpoint.config.method,
            "dataset": facts["dataset"],
            "updates": facts["update"],
            "train_s": facts["train_s"],
            "versions": {
                "dbp_ros": __version__,
                "torch": str(torch.__version__),
                "onnx": version("onnx"),
            },
        },
        metrics={
            **{name: float(f"{value:.6g}") for name, value in facts["metrics"].items()},
            "export_difference": float(f"{worst:.3g}"),
        },
    )
