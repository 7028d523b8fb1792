"""The proof of a bundle: recorded observations with the actions that they must give anywhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from dbp_ros.bundle.bundle import Bundle, Manifest
from dbp_ros.errors import BundleError
from dbp_ros.types import Floats, Image


@dataclass(frozen=True)
class GoldenCases:
    """Recorded inputs and the outputs they must give.

    Attributes:
        positions: Measured states, oldest first. Shape (cases, history, ns).
        images: Pictures of each camera. Shapes (cases, history, height, width, 3).
        points: Clouds of each sensor. Shapes (cases, history, points, channels).
        latent: Noise that was fed to the generator. Shape (cases, horizon, nu).
        action: What must come out, in its own units. Shape (cases, horizon, nu).
    """

    positions: Floats
    images: dict[str, Image]
    points: dict[str, Floats]
    latent: Floats
    action: Floats

    @property
    def frames(self) -> dict[str, Image | Floats]:
        """What each sensor saw. Shapes (cases, history, ...)."""
        return {**self.images, **self.points}


def write_golden(path: Path, proof: GoldenCases) -> None:
    """Write a proof into a bundle that is not in its place yet."""
    arrays: dict[str, Any] = {f"image.{camera}": seen for camera, seen in proof.images.items()}
    arrays |= {f"points.{sensor}": cloud for sensor, cloud in proof.points.items()}
    arrays |= {"positions": proof.positions, "latent": proof.latent, "action": proof.action}
    np.savez_compressed(path, **arrays)


def read_golden(bundle: Bundle) -> GoldenCases:
    """Read the proof of a bundle.

    Raises:
        BundleError: If it lacks an array or the arrays do not fit the manifest.
    """
    manifest, expected = bundle.manifest, _expected(bundle.manifest)
    try:
        with np.load(bundle.path(manifest.proof.file), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in expected}
    except (KeyError, TypeError, ValueError, OSError, EOFError, BadZipFile) as error:
        raise BundleError(
            f"{bundle.directory}: the proof {manifest.proof.file} cannot be read ({error}): "
            "export the model again"
        ) from error
    for camera in manifest.camera_names:
        pictures = arrays[f"image.{camera}"]
        if manifest.history.length == 1 and pictures.ndim == 4:
            # The first bundles had no axis for a history of one.
            arrays[f"image.{camera}"] = pictures[:, None]
    cases = arrays["action"].shape[:1]
    for name, (dtype, shape) in expected.items():
        found = arrays[name]
        if found.dtype != dtype or found.shape != (*cases, *shape) or cases == (0,):
            raise BundleError(
                f"{bundle.directory}: the proof holds {name} as {found.dtype} of shape "
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
    """Return the type of each array and its shape for one case."""
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
        "latent": (np.float32, chunk),
        "action": (np.float32, chunk),
        **images,
        **points,
    }
