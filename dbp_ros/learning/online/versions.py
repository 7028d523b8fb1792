"""The versions of one policy as it learns: each a bundle that can explore, kept and found again.

A decision names the bundle that made it by its sha256. Whoever wants the likelihood of a decision
asks that bundle, with the very graphs that ran on the robot.
"""

import copy
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from dbp_ros.bundle import Bundle, Proof, read_bundle, sha256_of, write_manifest
from dbp_ros.contract import Floats, Image
from dbp_ros.decision import Decision, log_density
from dbp_ros.errors import TrainingError
from dbp_ros.files import folder_aside
from dbp_ros.learning.export import HEAD, LARGEST_DIFFERENCE, PROOF, write_proof
from dbp_ros.learning.graphs import write_graph
from dbp_ros.learning.online.stochastic import StochasticPolicy

OUTPUTS = ("action", "normalised", "log_std")
LOADED_AT_ONCE = 4


class StochasticHead(nn.Module):
    """All that is run for each decision of an exploring policy."""

    def __init__(self, actor: StochasticPolicy) -> None:
        """Wrap a policy that explores."""
        super().__init__()
        self.actor = actor

    def forward(
        self, positions: Tensor, features: list[Tensor], latent: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return absolute actions, the normalised sample and log sigma; each (1, horizon, nu).

        Args:
            positions: Raw, in [rad] and [m]. Shape (1, history, nu).
            features: Of each camera, in order. Shapes (1, history, feature_size).
            latent: Shape (1, horizon, nu).
            noise: Standard normal; zero for what is deployed. Shape (1, horizon, nu).
        """
        policy = self.actor.policy
        named = dict(zip(policy.feature_sizes, features, strict=True))
        law = self.actor(policy.observe(positions, named), latent)
        sample = law.mean + law.log_sigma.exp() * noise
        action = policy.normaliser.absolute_actions(sample, positions[:, -1])
        return action, sample, law.log_sigma


class Version:
    """A bundle of the versions, loaded."""

    def __init__(self, bundle: Bundle) -> None:
        """Load the graphs; each runs in the calling thread alone."""
        self.bundle, manifest = bundle, bundle.manifest
        self._encoders = {c.name: _session(bundle.path(c.encoder)) for c in manifest.cameras}
        self._head = _session(bundle.path(manifest.head))

    def encode(self, images: dict[str, Image]) -> dict[str, Floats]:
        """Return the features of one picture of each camera. Shapes (1, feature_size)."""
        return {
            camera: encoder.run(["features"], {"image": images[camera]})[0]
            for camera, encoder in self._encoders.items()
        }

    def run(
        self, positions: Floats, features: dict[str, Floats], latent: Floats, noise: Floats
    ) -> list[Floats]:
        """Return action, normalised sample and log sigma for one decision's inputs.

        Each argument and each answer is without the axis of the batch.
        """
        feeds = {f"features.{camera}": seen[None] for camera, seen in features.items()}
        feeds |= {"positions": positions[None], "latent": latent[None], "noise": noise[None]}
        return [answer[0] for answer in self._head.run(OUTPUTS, feeds)]

    def log_prob(self, decision: Decision, features: dict[str, Floats]) -> float:
        """Return the log density of what was played, from nothing but inputs and weights."""
        still = np.zeros_like(decision.latent)
        _, mean, log_std = self.run(decision.positions, features, decision.latent, still)
        noise = (decision.normalised.astype(np.float64) - mean) * np.exp(-log_std)
        return log_density(noise, log_std, decision.executed)


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Versions:
    """A folder with a bundle for each version, by its number."""

    def __init__(self, directory: Path) -> None:
        """Find the versions that are there.

        Raises:
            BundleError: If one of them is damaged.
        """
        self._directory = directory
        self._known: dict[str, Bundle] = {}
        self._loaded: dict[str, Version] = {}
        for path in directory.glob("[!.]*"):
            self._note(read_bundle(path))

    @property
    def newest(self) -> Bundle | None:
        """The bundle with the highest number, if there is any."""
        return max(self._known.values(), key=lambda b: b.manifest.version, default=None)

    def find(self, sha256: str) -> Version | None:
        """Return the version of a sha256, loaded; None where it is not one of ours."""
        if sha256 not in self._known:
            return None
        if sha256 not in self._loaded:
            while len(self._loaded) >= LOADED_AT_ONCE:
                del self._loaded[next(iter(self._loaded))]
            self._loaded[sha256] = Version(self._known[sha256])
        return self._loaded[sha256]

    def export(self, actor: StochasticPolicy, parent: Bundle, version: int) -> Bundle:
        """Write a new version: the encoders of its parent, with a head of its own.

        Args:
            actor: The policy as it is now.
            parent: The bundle that it was imitated as, or any version of it.
            version: Its number.

        Raises:
            TrainingError: If the graph differs from PyTorch by more than 1e-5.
        """
        directory = self._directory / str(version)
        # Exported in evaluation mode; the one that learns stays in its own.
        actor = copy.deepcopy(actor)
        with folder_aside(directory) as aside:
            for camera in parent.manifest.cameras:
                shutil.copyfile(parent.path(camera.encoder), aside / camera.encoder)
            _export_head(actor, aside / HEAD)
            manifest = replace(parent.manifest, version=version, stochastic=True, head=HEAD)
            proof, worst = _prove(actor, Bundle(aside, manifest, ""), parent.read_proof())
            write_proof(aside / PROOF, proof)
            files = {path.name: sha256_of(path) for path in sorted(aside.iterdir())}
            made_by: dict[str, Any] = {"parent": parent.sha256}
            metrics = {"export_difference": float(f"{worst:.3g}")}
            write_manifest(
                aside,
                replace(
                    manifest,
                    proof=replace(manifest.proof, file=PROOF),
                    files=files,
                    made_by=made_by,
                    metrics=metrics,
                ),
            )
        return self._note(read_bundle(directory))

    def _note(self, bundle: Bundle) -> Bundle:
        self._known[bundle.sha256] = bundle
        return bundle


def _export_head(actor: StochasticPolicy, path: Path) -> None:
    policy = actor.policy
    sizes = policy.feature_sizes
    states = torch.zeros(1, policy.history, len(policy.shape.state_names))
    features = [torch.zeros(1, policy.history, size) for size in sizes.values()]
    inputs = ["positions", *(f"features.{name}" for name in sizes), "latent", "noise"]
    # Two tensors: of one that is given twice the exporter would make one input.
    example = (states, features, *torch.zeros(2, 1, *policy.chunk_shape).unbind())
    write_graph(StochasticHead(actor), example, path, inputs, list(OUTPUTS))


@torch.no_grad()
def _prove(actor: StochasticPolicy, bundle: Bundle, recorded: Proof) -> tuple[Proof, float]:
    """Return recorded inputs with what PyTorch makes of them, and how far the graph is from it."""
    version, head = Version(bundle), StochasticHead(actor)
    chance, actions, worst = np.random.default_rng(0), [], 0.0
    for case, latent in enumerate(recorded.latent):
        features = version.encode({name: seen[case] for name, seen in recorded.images.items()})
        positions = recorded.positions[case]
        for noise in (chance.standard_normal(latent.shape, np.float32), np.zeros_like(latent)):
            given = [torch.from_numpy(features[name])[None] for name in features]
            rest = [torch.from_numpy(value)[None] for value in (latent, noise)]
            said = head(torch.from_numpy(positions)[None], given, *rest)
            found = version.run(positions, features, latent, noise)
            for ours, theirs in zip(said, found, strict=True):
                worst = float(np.maximum(worst, np.abs(ours[0].numpy() - theirs).max()))
        # The last noise was zero.
        actions.append(said[0][0].numpy())
    if not worst <= LARGEST_DIFFERENCE:
        raise TrainingError(
            f"the exported head differs from PyTorch by {worst:.2e}, at most "
            f"{LARGEST_DIFFERENCE:.0e} is allowed: nothing was exported"
        )
    return replace(recorded, action=np.stack(actions)), worst
