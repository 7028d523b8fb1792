"""A model bundle, loaded: an encoder for each sensor, and the head that decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import onnxruntime as ort

from dbp_ros.bundle.bundle import Bundle
from dbp_ros.bundle.external_data import external_files
from dbp_ros.bundle.golden import GoldenCases, read_golden
from dbp_ros.bundle.manifest import MANIFEST, Manifest
from dbp_ros.errors import BundleError, ObservationError
from dbp_ros.policy.graph import open_graph
from dbp_ros.types import Floats, Image

WARM_UP_PASSES = 5
FLOAT, PIXEL = "tensor(float)", "tensor(uint8)"

# A size that a graph leaves open is no number.
Size: TypeAlias = int | str | None
Tensor: TypeAlias = tuple[str, tuple[Size, ...]]
Signature: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class ExploredChunk:
    """A chunk drawn at random, and the law that it was drawn from. Shapes (horizon, nu).

    Attributes:
        action: Absolute joint positions in [rad] and [m].
        normalised: The same chunk as it was drawn: normalised, not clipped.
        log_std: Logarithm of the standard deviations.
    """

    action: Floats
    normalised: Floats
    log_std: Floats


class Model:
    """Encoders and head of a bundle. Calls may come from several threads."""

    def __init__(self, bundle: Bundle, provider: str = "cpu", threads: int = 1) -> None:
        """Load the graphs.

        Raises:
            BundleError: If a graph cannot be loaded or is not what the manifest says.
            ConfigError: If the provider is not to be had.
        """
        self.bundle = bundle
        manifest = self.manifest
        for file in (manifest.head, *(sensor.encoder for sensor in manifest.sensors)):
            _require_named(bundle, file)
        self._head = open_graph(bundle.path(manifest.head), provider, threads)
        self._encoders = {
            sensor.name: open_graph(bundle.path(sensor.encoder), provider, threads)
            for sensor in manifest.sensors
        }
        self._input = dict.fromkeys(manifest.camera_names, "image")
        self._input |= {cloud.name: "points" for cloud in manifest.clouds}
        self._shapes = {name: encoder.inputs[0].shape for name, encoder in self._encoders.items()}
        shape = (1, manifest.action.horizon, len(manifest.joints))
        self._still = {"noise": np.zeros(shape, np.float32)} if manifest.stochastic else {}
        self._check_signatures()

    @property
    def manifest(self) -> Manifest:
        """What the bundle says about itself."""
        return self.bundle.manifest

    def encode(self, sensor: str, frame: Image | Floats) -> Floats:
        """Turn what a sensor saw into features.

        Args:
            sensor: Name of a camera or of a sensor of point clouds.
            frame: Pixels, rgb8, of any size, shape (height, width, 3), or a cloud, shape
                (points, channels).

        Returns:
            Features. Shape (feature_size,).

        Raises:
            ObservationError: If the graph takes only frames of another shape.
        """
        if not _agree(frame.shape, shape := self._shapes[sensor]):
            raise ObservationError(
                f"its shape is {frame.shape}, this model takes only {tuple(shape)}: have it sent "
                "so, or resize in the graph"
            )
        inputs = {self._input[sensor]: frame}
        features: Floats = self._encoders[sensor].run(["features"], inputs)[0][0]
        return features

    def decide(self, positions: Floats, features: Mapping[str, Floats], latent: Floats) -> Floats:
        """Turn an observation and a latent into a chunk: one run of the head.

        Args:
            positions: Measured states, oldest first, in the manifest's order; for a robot its
                joints' positions, in [rad] and [m]. Shape (history, ns).
            features: Features of each sensor, oldest first. Shapes (history, feature_size).
            latent: Noise, standard normal. Shape (horizon, nu).

        Returns:
            Actions; for a robot absolute joint positions in [rad] and [m]. Shape (horizon, nu).
        """
        feeds = self._feeds(positions, features, latent) | self._still
        action: Floats = self._head.run(["action"], feeds)[0][0]
        return action

    def explore(
        self, positions: Floats, features: Mapping[str, Floats], latent: Floats, noise: Floats
    ) -> ExploredChunk:
        """Draw a chunk from the law of a stochastic head; noise of zero gives what `decide` does.

        Args:
            positions: See `decide`.
            features: See `decide`.
            latent: See `decide`.
            noise: Standard normal. Shape (horizon, nu).
        """
        feeds = self._feeds(positions, features, latent) | {"noise": noise[None]}
        answers = self._head.run(["action", "normalised", "log_std"], feeds)
        return ExploredChunk(*(answer[0] for answer in answers))

    def features(self, proof: GoldenCases, case: int) -> dict[str, Floats]:
        """Encode everything that a case of a proof shows. Shapes (history, feature_size)."""
        return {
            name: np.stack([self.encode(name, frame) for frame in frames[case]])
            for name, frames in proof.frames.items()
        }

    def difference(self) -> float:
        """Replay the proof, which also warms the sessions up.

        Returns:
            The largest difference from the actions recorded, in their unit; NaN where an answer
            is no number.

        Raises:
            BundleError: If the proof cannot be read, or an answer has another shape.
        """
        proof, worst = read_golden(self.bundle), 0.0
        for case in [*range(len(proof.action)), *[0] * WARM_UP_PASSES]:
            features = self.features(proof, case)
            action = self.decide(proof.positions[case], features, proof.latent[case])
            if action.shape != proof.action[case].shape:
                raise BundleError(
                    f"{self.bundle.directory}: the model gives actions of shape {action.shape}, "
                    f"expected {proof.action[case].shape}: export it again"
                )
            # Unlike max, maximum lets no NaN pass.
            worst = float(np.maximum(worst, np.abs(action - proof.action[case]).max()))
        return worst

    def prove(self) -> float:
        """Return the difference from the proof.

        Raises:
            BundleError: If it is beyond the tolerance.
        """
        worst, tolerance = self.difference(), self.manifest.proof.tolerance
        if not worst <= tolerance:
            raise BundleError(
                f"{self.bundle.directory}: the model gives actions {worst:.2g} away from its "
                f"proof, expected at most {tolerance:.2g}: export it again"
            )
        return worst

    def _feeds(
        self, positions: Floats, features: Mapping[str, Floats], latent: Floats
    ) -> dict[str, Floats]:
        feeds = {f"features.{name}": features[name][None] for name in self._encoders}
        return feeds | {"positions": positions[None], "latent": latent[None]}

    def _check_signatures(self) -> None:
        manifest = self.manifest
        nu, horizon, length = len(manifest.joints), manifest.action.horizon, manifest.history.length
        inputs: Signature = {
            "positions": (FLOAT, (1, length, len(manifest.states))),
            "latent": (FLOAT, (1, horizon, nu)),
        }
        seen: dict[str, Tensor] = {
            camera.name: (PIXEL, (camera.height, camera.width, 3)) for camera in manifest.cameras
        }
        seen |= {cloud.name: (FLOAT, (cloud.points, cloud.channels)) for cloud in manifest.clouds}
        for sensor in manifest.sensors:
            inputs[f"features.{sensor.name}"] = (FLOAT, (1, length, sensor.feature_size))
            encoder = self._encoders[sensor.name]
            frame: Signature = {self._input[sensor.name]: seen[sensor.name]}
            features: Signature = {"features": (FLOAT, (1, sensor.feature_size))}
            self._check(sensor.encoder, "takes", encoder.inputs, frame)
            self._check(sensor.encoder, "gives", encoder.outputs, features)
        chunk: Tensor = (FLOAT, (1, horizon, nu))
        outputs = {"action": chunk}
        if manifest.stochastic:
            inputs["noise"] = outputs["normalised"] = outputs["log_std"] = chunk
        self._check(manifest.head, "takes", self._head.inputs, inputs)
        self._check(manifest.head, "gives", self._head.outputs, outputs)

    def _check(
        self, file: str, verb: str, nodes: Sequence[ort.NodeArg], expected: Signature
    ) -> None:
        found: Signature = {node.name: (node.type, tuple(node.shape)) for node in nodes}
        fits = found.keys() == expected.keys() and all(
            _fits(found[name], expected[name]) for name in expected
        )
        if not fits:
            raise BundleError(
                f"{self.bundle.directory}: {file} {verb} {found}, expected {expected} "
                "from the manifest: export the model again"
            )


def _require_named(bundle: Bundle, file: str) -> None:
    """Raise `BundleError` if a graph refers to files that the manifest does not name."""
    if strangers := external_files(bundle.path(file)) - set(bundle.manifest.files):
        raise BundleError(
            f"{bundle.directory}: {file} refers to {', '.join(sorted(map(repr, strangers)))}, "
            f"which {MANIFEST} does not name under files: export the model again, with its "
            "weights in the graph"
        )


def _fits(found: Tensor, expected: Tensor) -> bool:
    """Return whether a tensor of a graph is as expected."""
    return found[0] == expected[0] and _agree(expected[1], found[1])


def _agree(sizes: Sequence[Size], wanted: Sequence[Size]) -> bool:
    """Return whether sizes are those that a graph asks for."""
    return len(sizes) == len(wanted) and all(
        not isinstance(size, int) or size == given
        for given, size in zip(sizes, wanted, strict=True)
    )
