"""The model bundle: a folder with ONNX graphs and the manifest that says what they are.

A bundle is self-contained: `manifest.yaml` names the joints, cameras, units and history the
graphs were trained for, the sha256 of every file, how they were made, and a file of proof: inputs
with the outputs that they must give on any machine.
"""

import hashlib
import math
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from dbp_ros.errors import BundleError
from dbp_ros.files import write_text
from dbp_ros.resources import resource_directory

FORMAT = 1
MANIFEST = "manifest.yaml"
JOINT_POSITION, AS_RECORDED = "absolute_joint_position", "as_recorded"
ENCODING = "rgb8"
HASH_BLOCK = 1 << 20
FASTEST_HZ = 1000
# What the YAML library raises on values such as a 13th month, besides its own errors.
UNREADABLE = (ValueError, LookupError, AttributeError, TypeError, RecursionError)


@dataclass(frozen=True)
class CameraSpec:
    """One camera that the policy looks through.

    `height` and `width` are what the encoder was trained on; its graph resizes other sizes.
    """

    name: str
    height: int
    width: int
    encoding: str
    feature_size: int
    encoder: str


@dataclass(frozen=True)
class CloudSpec:
    """One sensor of point clouds, each of `points` rows: x, y, z in [m], then any colours."""

    name: str
    points: int
    channels: int
    feature_size: int
    encoder: str


@dataclass(frozen=True)
class ActionSpec:
    """What the policy's output means: `horizon` points, `step_s` apart.

    The meaning is `absolute_joint_position`, in [rad] and [m], or `as_recorded`: whatever the
    numbers of the data set mean, which no robot here can be sent.
    """

    meaning: str
    horizon: int
    step_s: float


@dataclass(frozen=True)
class HistorySpec:
    """How many observations the policy takes, oldest first, and how far apart in [s]."""

    length: int
    step_s: float


@dataclass(frozen=True)
class GoldenSpec:
    """Recorded inputs with the actions they must give, within `tolerance` in their unit."""

    file: str
    tolerance: float


@dataclass(frozen=True)
class Manifest:
    """Everything that a bundle says about itself; see the module's docstring.

    A `stochastic` head takes noise as well, and tells the law that its action was drawn from.

    Attributes:
        control_rate_hz: How many decisions a second the model is made for.
        joints: Names of the columns of an action.
        states: Names of what is measured, in order; the joints unless the manifest says more.
        clouds: None unless the manifest says more.
    """

    format: int
    name: str
    version: int
    joints: tuple[str, ...]
    states: tuple[str, ...]
    action: ActionSpec
    history: HistorySpec
    cameras: tuple[CameraSpec, ...]
    clouds: tuple[CloudSpec, ...]
    head: str
    control_rate_hz: float
    proof: GoldenSpec
    files: dict[str, str]
    stochastic: bool = False
    normaliser: dict[str, Any] = field(default_factory=dict)
    made_by: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Names of the cameras, in the order of the head's inputs."""
        return tuple(camera.name for camera in self.cameras)

    @property
    def sensors(self) -> tuple[CameraSpec | CloudSpec, ...]:
        """Everything with an encoder, in the order of the head's inputs."""
        return (*self.cameras, *self.clouds)


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose files are all there and unchanged."""

    directory: Path
    manifest: Manifest
    sha256: str

    def path(self, file: str) -> Path:
        """Return the path of one of the bundle's files."""
        return self.directory / file


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal.

    In blocks: a process that locks its memory stands still while it allocates a whole big file.
    """
    digest, block = hashlib.sha256(), memoryview(bytearray(HASH_BLOCK))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(block):
            digest.update(block[:size])
    return digest.hexdigest()


def bundle_directory(model: str) -> Path:
    """Return the folder of a bundle given by path, or by its bare name under `models/`."""
    path = Path(model).expanduser()
    return resource_directory() / "models" / model if path.parent == Path() else path


def read_manifest(directory: Path) -> Manifest:
    """Read what a bundle says about itself, whether or not its files are whole.

    Raises:
        BundleError: One sentence that says what is wrong and what to do.
    """
    return parse_manifest(_manifest_text(directory), str(directory / MANIFEST))


def read_bundle(directory: Path) -> Bundle:
    """Read a bundle's manifest and check every file against its sha256.

    Raises:
        BundleError: One sentence that says what is wrong and what to do.
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
    """Raise `BundleError` if a file is a link to one that is no file of the bundle.

    A bundle that was installed as links, all into one folder, is in that folder.
    """
    folders = {directory.resolve(), (directory / MANIFEST).resolve().parent}
    for name in manifest.files:
        real = (directory / name).resolve()
        if real.parent not in folders or real.name not in manifest.files:
            raise BundleError(
                f"{directory}: {name} is a link to {real}, which is no file of the bundle: copy "
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
    """Return the names of the folders under `models` that hold a manifest."""
    return [path.parent.name for path in models.glob(f"[!.]*/{MANIFEST}")]


def parse_manifest(text: bytes | str, source: str) -> Manifest:
    """Parse a manifest.

    Args:
        text: The YAML document.
        source: What to call it in an error.

    Raises:
        BundleError: If it is no YAML, of another format, or lacks or misspells a key.
    """
    try:
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, *UNREADABLE) as error:
        problem = " ".join(str(error).split())
        raise BundleError(f"{source} is not YAML ({problem}): export the model again") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        found = raw.get("format") if isinstance(raw, dict) else type(raw).__name__
        raise BundleError(
            f"{source}: expected format {FORMAT}, got {found}: export the model again"
        )
    raw = {"states": raw.get("joints"), "clouds": [], **raw}
    _require_keys(raw, source)
    try:
        manifest = Manifest(
            **{
                **raw,
                "joints": tuple(raw["joints"]),
                "states": tuple(raw["states"]),
                "action": ActionSpec(**raw["action"]),
                "history": HistorySpec(**raw["history"]),
                "cameras": tuple(CameraSpec(**camera) for camera in raw["cameras"]),
                "clouds": tuple(CloudSpec(**cloud) for cloud in raw["clouds"]),
                "proof": GoldenSpec(**raw["proof"]),
            }
        )
        _require_type(manifest, Manifest, "manifest")
    except TypeError as error:
        raise BundleError(f"{source}: {error}: export the model again") from error
    check_manifest(manifest, source)
    return manifest


def _require_keys(raw: dict[str, Any], source: str) -> None:
    known = [item.name for item in fields(Manifest)]
    optional = [
        item.name
        for item in fields(Manifest)
        if item.default is not MISSING or item.default_factory is not MISSING
    ]
    missing = sorted(set(known) - set(optional) - set(raw))
    unknown = sorted(str(key) for key in set(raw) - set(known))
    if missing or unknown:
        raise BundleError(
            f"{source}: missing keys: {', '.join(missing) or 'none'}, unknown keys: "
            f"{', '.join(unknown) or 'none'}, expected {', '.join(known)}: export the model again"
        )


def _require_type(value: Any, kind: Any, name: str) -> None:
    """Raise `TypeError` unless a value read from YAML is what an annotation says."""
    if is_dataclass(kind):
        for field_name, field_kind in get_type_hints(kind).items():
            _require_type(getattr(value, field_name), field_kind, f"{name}.{field_name}")
    elif get_origin(kind) is tuple:
        for item in value:
            _require_type(item, get_args(kind)[0], name)
    elif get_origin(kind) is dict:
        _require_type(value, dict, name)
        for key, item in value.items():
            _require_type(key, str, name)
            _require_type(item, get_args(kind)[1], f"{name}.{key}")
    elif kind is not Any:
        number = kind is float and isinstance(value, int)
        if isinstance(value, bool) != (kind is bool) or not (isinstance(value, kind) or number):
            raise TypeError(f"{name} is {value!r}, expected {kind.__name__}")


def check_manifest(manifest: Manifest, source: str) -> None:
    """Raise `BundleError` where a manifest's values make no sense."""
    wrong = {
        "joints: expected unique names": len(set(manifest.joints)) != len(manifest.joints)
        or not manifest.joints,
        "states: expected unique names": len(set(manifest.states)) != len(manifest.states),
        f"action.meaning: expected {JOINT_POSITION} or {AS_RECORDED}": manifest.action.meaning
        not in (JOINT_POSITION, AS_RECORDED),
        "action.horizon: expected at least 1": manifest.action.horizon < 1,
        "action.step_s: expected more than 0": not 0 < manifest.action.step_s < math.inf,
        "history.length: expected at least 1": manifest.history.length < 1,
        "history.step_s: expected more than 0": not 0 < manifest.history.step_s < math.inf,
        f"control_rate_hz: expected from 1 to {FASTEST_HZ}": not 1
        <= manifest.control_rate_hz
        <= FASTEST_HZ,
        "proof.tolerance: expected more than 0": not 0 < manifest.proof.tolerance < math.inf,
        "cameras, clouds: expected unique names": len({sensor.name for sensor in manifest.sensors})
        != len(manifest.sensors),
        f"cameras: expected encoding {ENCODING}": any(
            camera.encoding != ENCODING for camera in manifest.cameras
        ),
    }
    for problem, holds in wrong.items():
        if holds:
            raise BundleError(f"{source}: {problem}: export the model again")


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write `manifest.yaml`, whole or not at all, so that a bundle is never half described."""
    document = yaml.safe_dump(asdict(manifest), sort_keys=False, width=100)
    write_text(directory / MANIFEST, document)


def require_joints(manifest: Manifest, joints: tuple[str, ...]) -> None:
    """Raise `BundleError` unless a bundle is for a robot with exactly these joints, in any order.

    Such a robot measures the positions of its joints and sees through cameras, no more.
    """
    missing = sorted(set(manifest.joints) - set(joints))
    extra = sorted(set(joints) - set(manifest.joints))
    if missing or extra:
        raise BundleError(
            f"model {manifest.name} is for {len(manifest.joints)} joints, the robot has "
            f"{len(joints)}: the robot lacks {', '.join(missing) or 'none'}, the model lacks "
            f"{', '.join(extra) or 'none'}"
        )
    if manifest.action.meaning != JOINT_POSITION:
        raise BundleError(
            f"model {manifest.name} gives actions {manifest.action.meaning}, the robot takes "
            f"{JOINT_POSITION}: train on recordings of the robot"
        )
    if manifest.states != manifest.joints:
        raise BundleError(
            f"model {manifest.name} measures {', '.join(manifest.states) or 'nothing'}, the robot "
            f"the positions of the joints that it is sent: train with --state "
            f"{' '.join(manifest.joints)}"
        )
    if manifest.clouds:
        raise BundleError(
            f"model {manifest.name} sees point clouds "
            f"({', '.join(cloud.name for cloud in manifest.clouds)}), the robot has cameras only: "
            "train with --points and no name"
        )
