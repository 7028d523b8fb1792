"""Exported versions of a policy during online learning, as stochastic bundles.

A policy step contains the sha256 of its bundle. Its likelihood is recomputed with the same graphs
as on the robot.
"""

import copy
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx.numpy_helper
import torch
from torch import Tensor, nn

from dbp_ros.bundle.bundle import Bundle, read_bundle, sha256_of
from dbp_ros.bundle.golden import read_golden, write_golden
from dbp_ros.bundle.manifest import GOLDEN_FILE, HEAD_FILE, write_manifest
from dbp_ros.errors import TrainingError
from dbp_ros.files import atomic_folder
from dbp_ros.learning.export import LARGEST_DIFFERENCE
from dbp_ros.learning.onnx_graphs import write_graph
from dbp_ros.policy.model import Model
from dbp_ros.rl.stochastic_policy import StochasticPolicy
from dbp_ros.telemetry.policy_step import PolicyStep, log_density
from dbp_ros.types import Floats, Image

OUTPUTS = ("action", "normalised", "log_std")
MAX_LOADED, MAX_BUNDLES = 4, 16
# Prefix of a folder that is being deleted.
DELETED = ".deleted_"


class StochasticHead(nn.Module):
    """Head of an exploring policy, run for each decision."""

    def __init__(self, actor: StochasticPolicy) -> None:
        """Wrap a stochastic policy."""
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
            noise: Standard normal; zero for no exploration. Shape (1, horizon, nu).
        """
        policy = self.actor.policy
        named = dict(zip(policy.feature_sizes, features, strict=True))
        distribution = self.actor(policy.observe(positions, named), latent)
        sample = distribution.mean + distribution.log_sigma.exp() * noise
        action = policy.normaliser.absolute_actions(sample, positions[:, -1])
        return action, sample, distribution.log_sigma


def encode_images(model: Model, images: Mapping[str, Image]) -> dict[str, Floats]:
    """Return the features of one image of each camera. Shapes (1, feature_size)."""
    return {camera: model.encode(camera, image)[None] for camera, image in images.items()}


def recomputed_log_prob(model: Model, step: PolicyStep, features: Mapping[str, Floats]) -> float:
    """Recompute the log density of the executed points from inputs and weights.

    Args:
        model: Bundle of the policy step.
        step: Inputs and sampled chunk.
        features: From `encode_images`.
    """
    mean = model.sample(step.positions, features, step.latent, np.zeros_like(step.latent))
    difference = step.normalised.astype(np.float64) - mean.normalised
    return log_density(difference * np.exp(-mean.log_std), mean.log_std, step.executed)


class PolicyVersions:
    """Folder of the newest bundles, named by their version."""

    def __init__(self, directory: Path, capacity: int = MAX_BUNDLES) -> None:
        """Read the bundles in the folder.

        Args:
            directory: The folder.
            capacity: Number of bundles beyond which the oldest are deleted.

        Raises:
            BundleError: If one is damaged.
        """
        self._directory, self._capacity = directory, capacity
        for path in directory.glob(f"{DELETED}*"):
            shutil.rmtree(path)
        self._bundles: dict[str, Bundle] = {}
        self._models: dict[str, Model] = {}
        for path in directory.glob("[!.]*"):
            self._register(read_bundle(path))

    @property
    def newest(self) -> Bundle | None:
        """The bundle of the highest version, if any."""
        return max(self._bundles.values(), key=lambda b: b.manifest.version, default=None)

    def version_of(self, sha256: str) -> int | None:
        """Return the version of a bundle; None if it is not in the folder."""
        bundle = self._bundles.get(sha256)
        return None if bundle is None else bundle.manifest.version

    def delete_after(self, version: int) -> None:
        """Delete the bundles of higher versions."""
        for sha256, bundle in list(self._bundles.items()):
            if bundle.manifest.version > version:
                self._delete(sha256)

    def model(self, sha256: str) -> Model | None:
        """Return the loaded model of a bundle; None if it is not in the folder."""
        if sha256 not in self._bundles:
            return None
        if sha256 not in self._models:
            while len(self._models) >= MAX_LOADED:
                del self._models[next(iter(self._models))]
            self._models[sha256] = Model(self._bundles[sha256])
        return self._models[sha256]

    def export(self, actor: StochasticPolicy, parent: Bundle, version: int) -> Bundle:
        """Write a new version with the encoders of its parent.

        Args:
            actor: The current policy.
            parent: Bundle of the pretrained policy, or any version of it.
            version: Number of the new version.

        Raises:
            TrainingError: If the graph differs from PyTorch by more than 1e-5.
        """
        directory = self._directory / str(version)
        # The export sets a copy to evaluation mode.
        actor = copy.deepcopy(actor)
        with atomic_folder(directory) as staging:
            for camera in parent.manifest.cameras:
                shutil.copyfile(parent.path(camera.encoder), staging / camera.encoder)
            _write_head(actor, staging / HEAD_FILE, self.newest)
            actions = golden_actions(actor, parent)
            write_golden(staging / GOLDEN_FILE, replace(read_golden(parent), action=actions))
            manifest = replace(
                parent.manifest,
                version=version,
                stochastic=True,
                head=HEAD_FILE,
                proof=replace(parent.manifest.proof, file=GOLDEN_FILE),
                files={path.name: sha256_of(path) for path in sorted(staging.iterdir())},
                made_by={"parent": parent.sha256},
                metrics={},
            )
            write_manifest(staging, manifest)
            worst = _difference(actor, read_bundle(staging))
            metrics = {"export_difference": float(f"{worst:.3g}")}
            write_manifest(staging, replace(manifest, metrics=metrics))
        bundle = self._register(read_bundle(directory))
        oldest_first = sorted(self._bundles, key=lambda one: self._bundles[one].manifest.version)
        for sha256 in oldest_first[: -self._capacity]:
            self._delete(sha256)
        return bundle

    def _delete(self, sha256: str) -> None:
        """Delete a bundle; a kill in between leaves no part of one under its name."""
        bundle = self._bundles.pop(sha256)
        self._models.pop(sha256, None)
        hidden = self._directory / f"{DELETED}{bundle.directory.name}"
        bundle.directory.rename(hidden)
        shutil.rmtree(hidden)

    def _register(self, bundle: Bundle) -> Bundle:
        self._bundles[bundle.sha256] = bundle
        return bundle


def _write_head(actor: StochasticPolicy, path: Path, newest: Bundle | None) -> None:
    """Write the head: replace the weights of the newest graph if possible, else trace a new one.

    Tracing takes seconds of CPU time on the robot.
    """
    graph = StochasticHead(actor)
    if newest is not None:
        model = onnx.load(newest.path(newest.manifest.head))
        weights = graph.state_dict()
        trained = {name for name, value in graph.named_parameters() if value.requires_grad}
        if trained <= {tensor.name for tensor in model.graph.initializer}:
            for tensor in model.graph.initializer:
                if tensor.name in weights:
                    value = weights[tensor.name].numpy()
                    tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
            onnx.save(model, path)
            return
    policy, sizes = actor.policy, actor.policy.feature_sizes
    states = torch.zeros(1, policy.n_obs_steps, len(policy.shape.state_names))
    features = [torch.zeros(1, policy.n_obs_steps, size) for size in sizes.values()]
    # Two tensors, because the exporter merges identical inputs.
    example = (states, features, *torch.zeros(2, 1, *policy.chunk_shape).unbind())
    inputs = ["positions", *(f"features.{name}" for name in sizes), "latent", "noise"]
    write_graph(graph, example, path, inputs, list(OUTPUTS), fold=False)


def _golden_inputs(bundle: Bundle) -> Iterator[tuple[Floats, dict[str, Floats], Floats]]:
    """Yield positions, features and latent of each golden case of a bundle."""
    model, golden = Model(bundle), read_golden(bundle)
    for case, latent in enumerate(golden.latent):
        yield golden.positions[case], model.encode_case(golden, case), latent


@torch.no_grad()
def _run_pytorch(
    actor: StochasticPolicy,
    positions: Floats,
    features: Mapping[str, Floats],
    latent: Floats,
    noise: Floats,
) -> list[Floats]:
    """Return the outputs of PyTorch: action, normalised sample, log sigma. Shapes (horizon, nu)."""
    sensors = [torch.from_numpy(features[name])[None] for name in actor.policy.feature_sizes]
    noises = [torch.from_numpy(value)[None] for value in (latent, noise)]
    outputs = StochasticHead(actor)(torch.from_numpy(positions)[None], sensors, *noises)
    return [value[0].numpy() for value in outputs]


def golden_actions(actor: StochasticPolicy, parent: Bundle) -> Floats:
    """Return the actions without noise of the golden cases. Shape (cases, horizon, nu)."""
    return np.stack(
        [_run_pytorch(actor, *case, np.zeros_like(case[2]))[0] for case in _golden_inputs(parent)]
    )


def _difference(actor: StochasticPolicy, bundle: Bundle) -> float:
    """Return the difference between a bundle's head and PyTorch on the golden cases.

    Raises:
        TrainingError: If it is more than 1e-5.
    """
    model, rng, worst = Model(bundle), np.random.default_rng(0), 0.0
    for case in _golden_inputs(bundle):
        noise = rng.standard_normal(case[2].shape, np.float32)
        outputs = model.sample(*case, noise)
        for expected, name in zip(_run_pytorch(actor, *case, noise), OUTPUTS, strict=True):
            worst = float(np.maximum(worst, np.abs(expected - getattr(outputs, name)).max()))
    if not worst <= LARGEST_DIFFERENCE:
        raise TrainingError(
            f"the exported head differs from PyTorch by {worst:.2e}, expected at most "
            f"{LARGEST_DIFFERENCE:.0e}: nothing was exported"
        )
    return worst
