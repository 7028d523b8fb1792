"""A model bundle, loaded: one encoder a camera, and the head that decides in one forward pass."""

from collections.abc import Mapping

import numpy as np
import onnxruntime as ort

from dbp_ros.bundle import Bundle, Manifest
from dbp_ros.contract import Floats, Image
from dbp_ros.errors import BundleError
from dbp_ros.policy.sessions import open_session

WARM_UP_PASSES = 5


class Model:
    """Encoders and head of a bundle. Calls may come from several threads."""

    def __init__(self, bundle: Bundle, provider: str = "cpu", threads: int = 1) -> None:
        """Load the graphs.

        Raises:
            BundleError: If a graph cannot be loaded or its inputs are not those the manifest says.
            ConfigError: If the provider is not to be had.
        """
        self.bundle = bundle
        manifest = self.manifest
        self._head = open_session(bundle.path(manifest.head), provider, threads)
        self._encoders = {
            camera.name: open_session(bundle.path(camera.encoder), provider, threads)
            for camera in manifest.cameras
        }
        self._check_signatures()

    @property
    def manifest(self) -> Manifest:
        """What the bundle says about itself."""
        return self.bundle.manifest

    def encode(self, camera: str, image: Image) -> Floats:
        """Turn a picture into features.

        Args:
            camera: Name of the camera.
            image: Pixels, rgb8. Shape (height, width, 3), any size.

        Returns:
            Features. Shape (feature_size,).
        """
        features: Floats = self._encoders[camera].run(["features"], {"image": image})[0][0]
        return features

    def decide(self, positions: Floats, features: Mapping[str, Floats], latent: Floats) -> Floats:
        """Turn an observation and a latent into a chunk: one forward pass.

        Args:
            positions: Joint positions, oldest first, in the order of the manifest's joints, in
                [rad] and [m]. Shape (history, nu).
            features: Features of each camera, oldest first. Shapes (history, feature_size).
            latent: Noise, standard normal. Shape (horizon, nu).

        Returns:
            Absolute joint positions in [rad] and [m]. Shape (horizon, nu).
        """
        feeds = {f"features.{name}": features[name][None] for name in self.manifest.camera_names}
        feeds |= {"positions": positions[None], "latent": latent[None]}
        action: Floats = self._head.run(["action"], feeds)[0][0]
        return action

    def prove(self) -> float:
        """Replay the proof, which also warms the sessions up.

        Returns:
            The largest difference from the outputs recorded, in [rad] and [m].

        Raises:
            BundleError: If it is beyond the tolerance.
        """
        proof, tolerance = self.bundle.read_proof(), self.manifest.proof.tolerance
        length = self.manifest.history.length
        worst = 0.0
        for case in [*range(len(proof.action)), *[0] * WARM_UP_PASSES]:
            features = {
                name: np.repeat(self.encode(name, images[case])[None], length, axis=0)
                for name, images in proof.images.items()
            }
            action = self.decide(proof.positions[case], features, proof.latent[case])
            worst = max(worst, float(np.abs(action - proof.action[case]).max()))
        if not worst <= tolerance:
            raise BundleError(
                f"{self.bundle.directory}: the model gives actions {worst:.2g} away from its "
                f"proof, expected at most {tolerance:.2g}: export it again"
            )
        return worst

    def _check_signatures(self) -> None:
        manifest = self.manifest
        nu, length = len(manifest.joints), manifest.history.length
        expected: dict[str, tuple[int | str, ...]] = {
            "positions": (1, length, nu),
            "latent": (1, manifest.action.horizon, nu),
        }
        for camera in manifest.cameras:
            expected[f"features.{camera.name}"] = (1, length, camera.feature_size)
            self._check(
                self._encoders[camera.name], {"image": ("height", "width", 3)}, camera.encoder
            )
        self._check(self._head, expected, manifest.head)

    def _check(
        self,
        session: ort.InferenceSession,
        expected: Mapping[str, tuple[int | str, ...]],
        file: str,
    ) -> None:
        found = {item.name: tuple(item.shape) for item in session.get_inputs()}
        fits = found.keys() == expected.keys() and all(
            len(found[name]) == len(shape)
            and all(
                isinstance(a, str) or isinstance(b, str) or a == b
                for a, b in zip(found[name], shape, strict=True)
            )
            for name, shape in expected.items()
        )
        if not fits:
            raise BundleError(
                f"{self.bundle.directory}: {file} takes {found}, expected {dict(expected)} "
                "from the manifest: export the model again"
            )
