"""The versions of one policy as it learns: each a bundle that can explore, kept and found again.

A decision names the bundle that made it by its sha256. Whoever wants the likelihood of a decision
asks that bundle, with the very graphs that ran on the robot.
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
from dbp_ros.bundle.manifest import write_manifest
from dbp_ros.errors import TrainingError
from dbp_ros.files import atomic_folder
from dbp_ros.learning.export import HEAD, LARGEST_DIFFERENCE, PROOF
from dbp_ros.learning.graphs import write_graph
from dbp_ros.policy.model import Model
from dbp_ros.rl.stochastic_policy import StochasticPolicy
from dbp_ros.telemetry.policy_step import PolicyStep, log_density
from dbp_ros.types import Floats, Image

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
        distribution = self.actor(policy.observe(positions, named), latent)
        sample = distribution.mean + distribution.log_sigma.exp() * noise
        action = policy.normaliser.absolute_actions(sample, positions[:, -1])
        return action, sample, distribution.log_sigma


def features_of(model: Model, images: Mapping[str, Image]) -> dict[str, Floats]:
    """Return the features of one picture of each camera. Shapes (1, feature_size)."""
    return {camera: model.encode(camera, image)[None] for camera, image in images.items()}


def recomputed_log_prob(
    model: Model, decision: PolicyStep, features: Mapping[str, Floats]
) -> float:
    """Return the log density of what was played, from nothing but inputs and weights.

    Args:
        model: The version that decided.
        decision: What was drawn from what.
        features: From `features_of`.
    """
    still = np.zeros_like(decision.latent)
    distribution = model.sample(decision.positions, features, decision.latent, still)
    apart = decision.normalised.astype(np.float64) - distribution.normalised
    return log_density(
        apart * np.exp(-distribution.log_std), distribution.log_std, decision.executed
    )


class PolicyVersions:
    """A folder with a bundle for each version, by its number."""

    def __init__(self, directory: Path) -> None:
        """Find the versions that are there.

        Raises:
            BundleError: If one of them is damaged.
        """
        self._directory = directory
        self._known: dict[str, Bundle] = {}
        self._loaded: dict[str, Model] = {}
        for path in directory.glob("[!.]*"):
            self._note(read_bundle(path))

    @property
    def newest(self) -> Bundle | None:
        """The bundle with the highest number, if there is any."""
        return max(self._known.values(), key=lambda b: b.manifest.version, default=None)

    def number_of(self, sha256: str) -> int | None:
        """Return the number of the version of a sha256; None where it is not one of ours."""
        known = self._known.get(sha256)
        return None if known is None else known.manifest.version

    def forget_after(self, number: int) -> None:
        """Delete the versions with higher numbers, which led nowhere."""
        for sha256, bundle in list(self._known.items()):
            if bundle.manifest.version > number:
                shutil.rmtree(bundle.directory)
                del self._known[sha256]
                self._loaded.pop(sha256, None)

    def find(self, sha256: str) -> Model | None:
        """Return the version of a sha256, loaded; None where it is not one of ours."""
        if sha256 not in self._known:
            return None
        if sha256 not in self._loaded:
            while len(self._loaded) >= LOADED_AT_ONCE:
                del self._loaded[next(iter(self._loaded))]
            self._loaded[sha256] = Model(self._known[sha256])
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
        with atomic_folder(directory) as aside:
            for camera in parent.manifest.cameras:
                shutil.copyfile(parent.path(camera.encoder), aside / camera.encoder)
            _write_head(actor, aside / HEAD, self.newest)
            actions = _actions(actor, parent)
            write_golden(aside / PROOF, replace(read_golden(parent), action=actions))
            manifest = replace(
                parent.manifest,
                version=version,
                stochastic=True,
                head=HEAD,
                proof=replace(parent.manifest.proof, file=PROOF),
                files={path.name: sha256_of(path) for path in sorted(aside.iterdir())},
                made_by={"parent": parent.sha256},
                metrics={},
            )
            write_manifest(aside, manifest)
            worst = _difference(actor, read_bundle(aside))
            metrics = {"export_difference": float(f"{worst:.3g}")}
            write_manifest(aside, replace(manifest, metrics=metrics))
        return self._note(read_bundle(directory))

    def _note(self, bundle: Bundle) -> Bundle:
        self._known[bundle.sha256] = bundle
        return bundle


def _write_head(actor: StochasticPolicy, path: Path, newest: Bundle | None) -> None:
    """Write the head: the newest one with other weights, where they are there by name.

    Tracing a graph anew takes seconds of a processor that has a robot to control.
    """
    graph = StochasticHead(actor)
    if newest is not None:
        known = onnx.load(newest.path(newest.manifest.head))
        weights = graph.state_dict()
        learned = {name for name, value in graph.named_parameters() if value.requires_grad}
        if learned <= {tensor.name for tensor in known.graph.initializer}:
            for tensor in known.graph.initializer:
                if tensor.name in weights:
                    value = weights[tensor.name].numpy()
                    tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
            onnx.save(known, path)
            return
    policy, sizes = actor.policy, actor.policy.feature_sizes
    states = torch.zeros(1, policy.history, len(policy.shape.state_names))
    features = [torch.zeros(1, policy.history, size) for size in sizes.values()]
    # Two tensors: of one that is given twice the exporter would make one input.
    example = (states, features, *torch.zeros(2, 1, *policy.chunk_shape).unbind())
    inputs = ["positions", *(f"features.{name}" for name in sizes), "latent", "noise"]
    write_graph(graph, example, path, inputs, list(OUTPUTS), fold=False)


def _cases(bundle: Bundle) -> Iterator[tuple[Floats, dict[str, Floats], Floats]]:
    """Yield positions, features and latent of each case of a bundle's proof."""
    model, proof = Model(bundle), read_golden(bundle)
    for case, latent in enumerate(proof.latent):
        yield proof.positions[case], model.encode_case(proof, case), latent


@torch.no_grad()
def _ask(
    actor: StochasticPolicy,
    positions: Floats,
    features: Mapping[str, Floats],
    latent: Floats,
    noise: Floats,
) -> list[Floats]:
    """Return what PyTorch says: action, normalised sample, log sigma. Shapes (horizon, nu)."""
    given = [torch.from_numpy(features[name])[None] for name in actor.policy.feature_sizes]
    rest = [torch.from_numpy(value)[None] for value in (latent, noise)]
    said = StochasticHead(actor)(torch.from_numpy(positions)[None], given, *rest)
    return [value[0].numpy() for value in said]


def _actions(actor: StochasticPolicy, parent: Bundle) -> Floats:
    """Return the actions without noise in the cases of a proof. Shape (cases, horizon, nu)."""
    return np.stack([_ask(actor, *case, np.zeros_like(case[2]))[0] for case in _cases(parent)])


def _difference(actor: StochasticPolicy, bundle: Bundle) -> float:
    """Return how far a bundle's head is from PyTorch in the cases of its proof.

    Raises:
        TrainingError: If it is more than 1e-5.
    """
    model, generator, worst = Model(bundle), np.random.default_rng(0), 0.0
    for case in _cases(bundle):
        noise = generator.standard_normal(case[2].shape, np.float32)
        found = model.sample(*case, noise)
        for said, name in zip(_ask(actor, *case, noise), OUTPUTS, strict=True):
            worst = float(np.maximum(worst, np.abs(said - getattr(found, name)).max()))
    if not worst <= LARGEST_DIFFERENCE:
        raise TrainingError(
            f"the exported head differs from PyTorch by {worst:.2e}, at most "
            f"{LARGEST_DIFFERENCE:.0e} is allowed: nothing was exported"
        )
    return worst
