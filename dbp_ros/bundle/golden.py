"""Golden cases of a bundle: recorded inputs with the actions to reproduce on any machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from dbp_ros.bundle.bundle import Bundle
from dbp_ros.bundle.manifest import Manifest
from dbp_ros.errors import BundleError
from dbp_ros.types import Floats, Image


@dataclass(frozen=True)
class GoldenCases:
    """Recorded inputs with their expected outputs.

    Attributes:
        positions: Measured states, oldest first. Shape (cases, history, ns).
        images: Images of each camera. Shapes (cases, history, height, width, 3).
        points: Clouds of each sensor. Shapes (cases, history, points, channels).
        latent: Input noise. Shape (cases, horizon, nu).
        action: Expected output, in its own units. Shape (cases, horizon, nu).
    """

    positions: Floats
    images: dict[str, Image]
    points: dict[str, Floats]
    latent: Floats
    action: Floats

    @property
    def frames(self) -> dict[str, Image | Floats]:
        """Images and clouds by sensor. Shapes (cases, history, ...)."""
        return {**self.images, **self.points}


def write_golden(path: Path, golden: GoldenCases) -> None:
    """Write golden cases to a file, not atomically."""
    arrays: dict[str, Any] = {f"image.{camera}": images for camera, images in golden.images.items()}
    arrays |= {f"points.{sensor}": cloud for sensor, cloud in golden.points.items()}
    arrays |= {"positions": golden.positions, "latent": golden.latent, "action": golden.action}
    np.savez_compressed(path, **arrays)


def read_golden(bundle: Bundle) -> GoldenCases:
    """Read the golden cases of a bundle.

    Raises:
        BundleError: If an array is missing or does not match the manifest.
    """
    manifest, expected = bundle.manifest, _expected(bundle.manifest)
    try:
        with np.load(bundle.path(manifest.proof.file), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in expected}
    except (KeyError, TypeError, ValueError, OSError, EOFError, BadZipFile) as error:
        raise BundleError(
            f"{bundle.directory}: the golden cases {manifest.proof.file} cannot be read ({error}): "
            "export the model again"
        ) from error
    for camera in manifest.camera_names:
        images = arrays[f"image.{camera}"]
        if manifest.history.length == 1 and images.ndim == 4:
            # Older bundles have no history axis if the history length is 1.
            arrays[f"image.{camera}"] = images[:, None]
    cases = arrays["action"].shape[:1]
    for name, (dtype, shape) in expected.items():
        found = arrays[name]
        if found.dtype != dtype or found.shape != (*cases, *shape) or cases == (0,):
            raise BundleError(
                f"{bundle.directory}: the golden cases contain {name} as {found.dtype} of shape "
                f"{found.shape}, expected {dtype.__name__} of shape {shape} for each case: "
                "export the model again"
            )
    return GoldenCases(
        positions=arrays["positions"],
        images={camera.name: arrays[f"image.{camera.name}"] for camera in manifest.cameras},
        points={cloud.name: arrays[f"points.{cloud.name}"] for cloud in manifest.clouds},
        latent=arrays["latent"],
        action=arrays["action"],
    )


def _expected(manifest: Manifest) -> dict[str, tuple[type, tuple[int, ...]]]:
    """Return dtype and shape of each array for one case."""
    length = manifest.history.length
    chunk = (manifest.action.horizon, len(manifest.joints))
    images = {
        f"image.{camera.name}": (np.uint8, (length, camera.height, camera.width, 3))
        for camera in manifest.cameras
    }
    points = {
        f"points.{cloud.name}": (np.float32, (length, cloud.points, cloud.channels))
        for cloud in manifest.clouds
    }
    return {
        "positions": (np.float32, (length, len(manifest.states))),
        "latent": (np.float32, manifest.latent_shape),
        "action": (np.float32, chunk),
        **images,
        **points,
    }
