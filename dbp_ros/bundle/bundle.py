"""Model bundle: a folder with ONNX graphs, their manifest and golden cases.

A bundle is self-contained. Its manifest gives the joints, cameras, units and history that the
graphs were trained for, the sha256 of every file, and their origin. Its golden cases are
inputs with the outputs that the graphs must return on any machine.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from dbp_ros.bundle.manifest import MANIFEST, Manifest, parse_manifest
from dbp_ros.errors import BundleError
from dbp_ros.resources import resource_directory

HASH_BLOCK = 1 << 20


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose files are complete and unchanged."""

    directory: Path
    manifest: Manifest
    sha256: str

    def path(self, file: str) -> Path:
        """Return the path of one of the bundle's files."""
        return self.directory / file


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal.

    Reads blocks: a process with locked memory blocks while it allocates a large buffer.
    """
    digest, block = hashlib.sha256(), memoryview(bytearray(HASH_BLOCK))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(block):
            digest.update(block[:size])
    return digest.hexdigest()


def bundle_directory(model: str) -> Path:
    """Return the folder of a bundle given by path, or by its bare name under `models/`.

    A bare name that is not under `models/` may be a bundle in the current directory.
    """
    path = Path(model).expanduser()
    if "/" in model or path.is_absolute():
        return path
    named = resource_directory() / "models" / model
    is_here = (path / MANIFEST).is_file() and not (named / MANIFEST).is_file()
    return path if is_here else named


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest of a bundle without a check of its files.

    Raises:
        BundleError: If it cannot be read.
    """
    return parse_manifest(_manifest_text(directory), str(directory / MANIFEST))


def read_bundle(directory: Path) -> Bundle:
    """Read a bundle's manifest and check every file against its sha256.

    Raises:
        BundleError: If the manifest or a file is missing or damaged.
    """
    path, text = directory / MANIFEST, _manifest_text(directory)
    manifest = parse_manifest(text, str(path))
    for name in (
        *(sensor.encoder for sensor in manifest.sensors),
        manifest.head,
        manifest.proof.file,
    ):
        if name not in manifest.files:
            raise BundleError(f"{path}: no sha256 for {name} under files: export the model again")
    for name, expected in manifest.files.items():
        if Path(name).name != name:
            raise BundleError(f"{path}: {name!r} under files is not a bare file name")
        _require_unchanged(directory, name, expected)
    _require_inside(directory, manifest)
    return Bundle(directory, manifest, hashlib.sha256(text).hexdigest())


def _require_unchanged(directory: Path, name: str, expected: str) -> None:
    file = directory / name
    if not file.is_file():
        raise BundleError(f"{directory}: {name} is missing: copy the whole bundle again")
    try:
        found = sha256_of(file)
    except OSError as error:
        raise BundleError(
            f"{directory}: {name} cannot be read ({error.strerror}): copy the whole bundle again"
        ) from error
    if found != expected:
        raise BundleError(
            f"{directory}: {name} was changed or truncated, its sha256 is {found[:12]}…, "
            f"expected {expected[:12]}…: copy the whole bundle again"
        )


def _require_inside(directory: Path, manifest: Manifest) -> None:
    """Raise `BundleError` if a file is a link out of the bundle.

    A bundle may be installed as links that all point into one folder.
    """
    folders = {directory.resolve(), (directory / MANIFEST).resolve().parent}
    for name in manifest.files:
        real = (directory / name).resolve()
        if real.parent not in folders or real.name not in manifest.files:
            raise BundleError(
                f"{directory}: {name} is a link to {real}, outside the bundle: copy "
                "the bundle without links (cp -L)"
            )


def _manifest_text(directory: Path) -> bytes:
    try:
        return (directory / MANIFEST).read_bytes()
    except OSError as error:
        raise BundleError(
            f"{directory} is not a model bundle: {MANIFEST} cannot be read ({error.strerror}); "
            f"known bundles: {', '.join(sorted(bundle_names(directory.parent))) or 'none'}"
        ) from error


def bundle_names(models: Path) -> list[str]:
    """Return the names of the bundles in the folder `models`."""
    return [path.parent.name for path in models.glob(f"[!.]*/{MANIFEST}")]
