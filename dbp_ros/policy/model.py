"""A loaded model bundle: one encoder graph for each sensor, and the head."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import onnxruntime as ort

from dbp_ros.bundle.bundle import Bundle
from dbp_ros.bundle.external_data import external_files
from dbp_ros.bundle.golden import GoldenCases, read_golden
from dbp_ros.bundle.manifest import MANIFEST, NEXT_STATE, STATE, Manifest
from dbp_ros.errors import BundleError, ObservationError
from dbp_ros.policy.onnx_graph import open_graph
from dbp_ros.types import Floats, Image

WARM_UP_PASSES = 5
FLOAT, PIXEL = "tensor(float)", "tensor(uint8)"

# A dynamic dimension of a graph is a name or None.
Size: TypeAlias = int | str | None
Tensor: TypeAlias = tuple[str, tuple[Size, ...]]
Signature: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class SampledChunk:
    """A sampled chunk with the parameters of its distribution.

    Attributes:
        action: Absolute joint positions in [rad] and [m]. Shape (horizon, nu).
        normalised: The same chunk, normalised and not clipped. Shape `Manifest.latent_shape`.
        log_std: Logarithm of the standard deviations. Same shape.
    """

    action: Floats
    normalised: Floats
    log_std: Floats


class Model:
    """Encoders and head of a bundle. Thread-safe.

    Attributes:
        bundle: The bundle.
        initial_state: State of a recurrent policy before its first call; None for any other.
    """

    def __init__(self, bundle: Bundle, provider: str = "cpu", threads: int = 1) -> None:
        """Load the graphs.

        Raises:
            BundleError: If a graph cannot be loaded or does not match the manifest.
            ConfigError: If the execution provider is not available.
        """
        self.bundle = bundle
        manifest = self.manifest
        for file in (manifest.head, *(sensor.encoder for sensor in manifest.sensors)):
            _require_listed(bundle, file)
        self._head = open_graph(bundle.path(manifest.head), provider, threads)
        self._encoders = {
            sensor.name: open_graph(bundle.path(sensor.encoder), provider, threads)
            for sensor in manifest.sensors
        }
        self._input_names = dict.fromkeys(manifest.camera_names, "image")
        self._input_names |= {cloud.name: "points" for cloud in manifest.clouds}
        self._shapes = {name: encoder.inputs[0].shape for name, encoder in self._encoders.items()}
        shape = (1, *manifest.latent_shape)
        self._constant = {"noise": np.zeros(shape, np.float32)} if manifest.stochastic else {}
        self.initial_state = _initial_state(manifest)
        self._constant |= self._state_feed(self.initial_state)
        self._check_signatures()

    @property
    def manifest(self) -> Manifest:
        """Manifest of the bundle."""
        return self.bundle.manifest

    def encode(self, sensor: str, frame: Image | Floats) -> Floats:
        """Return the features of one sensor reading.

        Args:
            sensor: Name of a camera or a point cloud sensor.
            frame: rgb8 image of shape (height, width, 3), or cloud of shape (points, channels).

        Returns:
            Features. Shape (feature_size,).

        Raises:
            ObservationError: If the graph takes only frames of another shape.
        """
        if not _matches(frame.shape, shape := self._shapes[sensor]):
            raise ObservationError(
                f"its shape is {frame.shape}, this model takes only {tuple(shape)}: publish that "
                "size, or export a graph that resizes"
            )
        inputs = {self._input_names[sensor]: frame}
        features: Floats = self._encoders[sensor].run(["features"], inputs)[0][0]
        return features

    def predict(self, positions: Floats, features: Mapping[str, Floats], latent: Floats) -> Floats:
        """Return the chunk for an observation and a latent: one forward pass of the head.

        A recurrent policy starts from its initial state.

        Args:
            positions: Measured states, oldest first, in the manifest's order; for a robot joint
                positions in [rad] and [m]. Shape (history, ns).
            features: Features of each sensor, oldest first. Shapes (history, feature_size).
            latent: Standard normal noise. Shape `Manifest.latent_shape`.

        Returns:
            Actions; for a robot absolute joint positions in [rad] and [m]. Shape (horizon, nu).
        """
        feeds = self._feeds(positions, features, latent) | self._constant
        action: Floats = self._head.run(["action"], feeds)[0][0]
        return action

    def advance(
        self, positions: Floats, features: Mapping[str, Floats], latent: Floats, state: Floats
    ) -> tuple[Floats, Floats]:
        """Return the chunk of a recurrent policy, and its state for the next call.

        Args:
            positions: See `predict`.
            features: See `predict`.
            latent: See `predict`.
            state: That of the last call, or `initial_state`. Shape (size,).
        """
        feeds = self._feeds(positions, features, latent) | self._state_feed(state)
        action, state = self._head.run(["action", NEXT_STATE], feeds)
        return action[0], state[0]

    def sample(
        self, positions: Floats, features: Mapping[str, Floats], latent: Floats, noise: Floats
    ) -> SampledChunk:
        """Sample a chunk from a stochastic head; zero noise gives the chunk of `predict`.

        Args:
            positions: See `predict`.
            features: See `predict`.
            latent: See `predict`.
            noise: Standard normal. Same shape as the latent.
        """
        feeds = self._feeds(positions, features, latent) | {"noise": noise[None]}
        outputs = self._head.run(["action", "normalised", "log_std"], feeds)
        return SampledChunk(*(output[0] for output in outputs))

    def encode_case(self, golden: GoldenCases, case: int) -> dict[str, Floats]:
        """Return the features of each sensor in a golden case. Shapes (history, feature_size)."""
        return {
            name: np.stack([self.encode(name, frame) for frame in frames[case]])
            for name, frames in golden.frames.items()
        }

    def golden_error(self) -> float:
        """Run the golden cases, which also warms up the sessions.

        Returns:
            Largest absolute difference from the recorded actions, in their unit; NaN if an output
            is NaN.

        Raises:
            BundleError: If the golden cases cannot be read, or an output has another shape.
        """
        golden, worst = read_golden(self.bundle), 0.0
        for case in [*range(len(golden.action)), *[0] * WARM_UP_PASSES]:
            features = self.encode_case(golden, case)
            action = self.predict(golden.positions[case], features, golden.latent[case])
            if action.shape != golden.action[case].shape:
                raise BundleError(
                    f"{self.bundle.directory}: the model returns actions of shape {action.shape}, "
                    f"expected {golden.action[case].shape}: export it again"
                )
            # Unlike max, maximum propagates NaN.
            worst = float(np.maximum(worst, np.abs(action - golden.action[case]).max()))
        return worst

    def self_test(self) -> float:
        """Return `golden_error`.

        Raises:
            BundleError: If it exceeds the tolerance of the manifest.
        """
        worst, tolerance = self.golden_error(), self.manifest.proof.tolerance
        if not worst <= tolerance:
            raise BundleError(
                f"{self.bundle.directory}: the model's actions differ from its golden cases by "
                f"{worst:.2g}, expected at most {tolerance:.2g}: export it again"
            )
        return worst

    def _feeds(
        self, positions: Floats, features: Mapping[str, Floats], latent: Floats
    ) -> dict[str, Floats]:
        feeds = {f"features.{name}": features[name][None] for name in self._encoders}
        return feeds | {"positions": positions[None], "latent": latent[None]}

    def _state_feed(self, state: Floats | None) -> dict[str, Floats]:
        return {} if state is None else {STATE: state[None]}

    def _check_signatures(self) -> None:
        manifest = self.manifest
        nu, horizon, length = len(manifest.joints), manifest.action.horizon, manifest.history.length
        latent: Tensor = (FLOAT, (1, *manifest.latent_shape))
        inputs: Signature = {
            "positions": (FLOAT, (1, length, len(manifest.states))),
            "latent": latent,
        }
        frames: dict[str, Tensor] = {
            camera.name: (PIXEL, (camera.height, camera.width, 3)) for camera in manifest.cameras
        }
        frames |= {cloud.name: (FLOAT, (cloud.points, cloud.channels)) for cloud in manifest.clouds}
        for sensor in manifest.sensors:
            inputs[f"features.{sensor.name}"] = (FLOAT, (1, length, sensor.feature_size))
            encoder = self._encoders[sensor.name]
            frame: Signature = {self._input_names[sensor.name]: frames[sensor.name]}
            features: Signature = {"features": (FLOAT, (1, sensor.feature_size))}
            self._check(sensor.encoder, "takes", encoder.inputs, frame)
            self._check(sensor.encoder, "returns", encoder.outputs, features)
        outputs: Signature = {"action": (FLOAT, (1, horizon, nu))}
        if manifest.recurrent is not None:
            state: Tensor = (FLOAT, (1, manifest.recurrent.size))
            inputs[STATE] = outputs[NEXT_STATE] = state
        if manifest.stochastic:
            inputs["noise"] = outputs["normalised"] = outputs["log_std"] = latent
        self._check(manifest.head, "takes", self._head.inputs, inputs)
        self._check(manifest.head, "returns", self._head.outputs, outputs)

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


def _initial_state(manifest: Manifest) -> Floats | None:
    """Return the state of a recurrent policy before its first call; None for any other."""
    recurrent = manifest.recurrent
    if recurrent is None:
        return None
    initial = np.asarray(recurrent.initial, np.float32)
    return np.broadcast_to(initial, (recurrent.size,)).copy()


def _require_listed(bundle: Bundle, file: str) -> None:
    """Raise `BundleError` if a graph refers to files that the manifest does not list."""
    if unknown := external_files(bundle.path(file)) - set(bundle.manifest.files):
        raise BundleError(
            f"{bundle.directory}: {file} refers to {', '.join(sorted(map(repr, unknown)))}, "
            f"which {MANIFEST} does not list under files: export the model again, with its "
            "weights in the graph"
        )


def _fits(found: Tensor, expected: Tensor) -> bool:
    """Return whether a tensor of a graph has the expected type and shape."""
    return found[0] == expected[0] and _matches(expected[1], found[1])


def _matches(sizes: Sequence[Size], wanted: Sequence[Size]) -> bool:
    """Return whether a shape matches that of a graph, whose dynamic dimensions match any size."""
    return len(sizes) == len(wanted) and all(
        not isinstance(size, int) or size == given
        for given, size in zip(sizes, wanted, strict=True)
    )
