"""Manifest of a model bundle, `manifest.yaml`, and its validation."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from dbp_ros.errors import BundleError, ConfigError
from dbp_ros.files import write_text
from dbp_ros.settings.fields import INT64, from_mapping

FORMAT = 1
MANIFEST = "manifest.yaml"
HEAD_FILE = "head.onnx"
GOLDEN_FILE = "proof.npz"
JOINT_POSITION: Final = "absolute_joint_position"
AS_RECORDED: Final = "as_recorded"
ENCODING: Final = "rgb8"
FASTEST_HZ = 1000
# Errors of the YAML library on values such as a 13th month, besides its own.
UNREADABLE = (ValueError, LookupError, AttributeError, TypeError, RecursionError)


@dataclass(frozen=True)
class CameraSpec:
    """A camera whose images the policy takes.

    Attributes:
        name: Name of the camera.
        height: Height in training; the encoder graph resizes other sizes.
        width: Width in training.
        encoding: Pixel format, `rgb8`.
        feature_size: Number of features of the encoder.
        encoder: File of the encoder graph.
    """

    name: str
    height: int
    width: int
    encoding: Literal["rgb8"]
    feature_size: int
    encoder: str


@dataclass(frozen=True)
class CloudSpec:
    """A point cloud sensor.

    Attributes:
        name: Name of the sensor.
        points: Rows of a cloud.
        channels: Columns of a cloud: x, y, z in [m], then any colours.
        feature_size: Number of features of the encoder.
        encoder: File of the encoder graph.
    """

    name: str
    points: int
    channels: int
    feature_size: int
    encoder: str


@dataclass(frozen=True)
class ActionSpec:
    """The action chunk of the policy.

    Attributes:
        meaning: `absolute_joint_position`, in [rad] and [m], or `as_recorded`, the meaning of the
            data set, which the stack cannot command.
        horizon: Number of points.
        step_s: Time between two points.
        latent_size: Columns of the latent, and of a normalised action; 0 for one per joint.
    """

    meaning: Literal["absolute_joint_position", "as_recorded"]
    horizon: int
    step_s: float
    latent_size: int = 0


@dataclass(frozen=True)
class HistorySpec:
    """The observations that the policy takes, oldest first.

    Attributes:
        length: Number of observations.
        step_s: Time between two observations.
    """

    length: int
    step_s: float


@dataclass(frozen=True)
class RecurrentSpec:
    """State that the head returns for its next call.

    Attributes:
        size: Number of values.
        initial: Value of all of them, or each value, in the first call of an episode.
    """

    size: int
    initial: tuple[float, ...]


@dataclass(frozen=True)
class GoldenSpec:
    """Golden cases.

    Attributes:
        file: File of the inputs and actions.
        tolerance: Largest allowed difference of an action, in its unit.
    """

    file: str
    tolerance: float


# Input and output of a recurrent head.
STATE, NEXT_STATE = "recurrent_state", "next_recurrent_state"
# Settings of the training in `Manifest.made_by`; bundles of earlier versions have none.
TRAINING_SETTINGS = "config"
# Chains of the arms in `Manifest.made_by`, if the network controls end effectors.
ARMS = "arms"


@dataclass(frozen=True)
class Manifest:
    """Description of a bundle: inputs, outputs, files and origin.

    Attributes:
        format: Version of this format.
        name: Name of the model.
        version: Version of the model.
        joints: Names of the columns of an action.
        states: Names of the measured states, in order; by default the joints.
        action: Action chunk.
        history: Observation history.
        cameras: Cameras, in the order of the head's inputs.
        clouds: Point cloud sensors; by default none.
        head: File of the head graph.
        control_rate_hz: Decisions per second that the model is trained for.
        proof: Golden cases.
        files: sha256 of each file.
        stochastic: Whether the head also takes noise and returns the parameters of its action
            distribution.
        recurrent: State between the calls of the head; None without one.
        normaliser: Ranges of states and actions in training.
        made_by: Commands, data set and settings that made the model.
        metrics: Errors on validation data, of the export and of the quantization.
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
    recurrent: RecurrentSpec | None = None
    normaliser: dict[str, Any] = field(default_factory=dict)
    made_by: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def latent_shape(self) -> tuple[int, int]:
        """Shape of the latent, and of a normalised chunk."""
        return self.action.horizon, self.action.latent_size or len(self.joints)

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Names of the cameras, in the order of the head's inputs."""
        return tuple(camera.name for camera in self.cameras)

    @property
    def sensors(self) -> tuple[CameraSpec | CloudSpec, ...]:
        """All sensors, in the order of the head's inputs."""
        return (*self.cameras, *self.clouds)


def parse_manifest(text: bytes | str, source: str) -> Manifest:
    """Parse a manifest.

    Args:
        text: The YAML document.
        source: Name of the document in errors.

    Raises:
        BundleError: If it is not YAML or of another format, a value is invalid, or a key is missing
            or unknown.
    """
    try:
        raw = yaml.safe_load(text)
        _check_scalars(raw)
    except (yaml.YAMLError, *UNREADABLE) as error:
        problem = " ".join(str(error).split())
        raise BundleError(f"{source} is not valid ({problem}): export the model again") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        found = raw.get("format") if isinstance(raw, dict) else type(raw).__name__
        raise BundleError(
            f"{source}: expected format {FORMAT}, got {found}: export the model again"
        )
    raw = {"states": raw.get("joints"), "clouds": [], **raw}
    try:
        manifest = from_mapping(Manifest, raw, "manifest.")
    except (ConfigError, ValueError) as error:
        raise BundleError(f"{source}: {error}: export the model again") from error
    check_manifest(manifest, source)
    return manifest


def _check_scalars(document: Any) -> None:
    """Raise `ValueError` for text that is not UTF-8, or an integer of more than 64 bits.

    Neither can be published or logged. A container is visited once, as YAML aliases repeat it.
    """
    waiting, visited = [document], set[int]()
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            value.encode()
        elif isinstance(value, int) and not -INT64 <= value < INT64:
            raise ValueError(f"expected integers of 64 bits, got one of {value.bit_length()}")
        elif isinstance(value, (dict, list, tuple, set)) and id(value) not in visited:
            visited.add(id(value))
            waiting += value
            waiting += value.values() if isinstance(value, dict) else ()


def check_manifest(manifest: Manifest, source: str) -> None:
    """Raise `BundleError` if a value of a manifest is out of range."""
    recurrent = manifest.recurrent
    wrong = {
        "joints: expected unique names": len(set(manifest.joints)) != len(manifest.joints)
        or not manifest.joints,
        "states: expected unique names": len(set(manifest.states)) != len(manifest.states),
        "action.horizon: expected at least 1": manifest.action.horizon < 1,
        "recurrent: expected one initial value, or one for each of at least 1 value": (
            recurrent is not None
            and (recurrent.size < 1 or len(recurrent.initial) not in (1, recurrent.size))
        ),
        "action.latent_size: expected at least 0": manifest.action.latent_size < 0,
        "action.step_s: expected more than 0": not 0 < manifest.action.step_s < math.inf,
        "history.length: expected at least 1": manifest.history.length < 1,
        "history.step_s: expected more than 0": not 0 < manifest.history.step_s < math.inf,
        f"control_rate_hz: expected from 1 to {FASTEST_HZ}": not 1
        <= manifest.control_rate_hz
        <= FASTEST_HZ,
        "proof.tolerance: expected more than 0": not 0 < manifest.proof.tolerance < math.inf,
        "cameras, clouds: expected unique names": len({sensor.name for sensor in manifest.sensors})
        != len(manifest.sensors),
    }
    for problem, holds in wrong.items():
        if holds:
            raise BundleError(f"{source}: {problem}: export the model again")


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write `manifest.yaml` atomically."""
    content = asdict(manifest)
    if manifest.recurrent is None:
        # Earlier versions read bundles without this key.
        del content["recurrent"]
    document = yaml.safe_dump(content, sort_keys=False, width=100)
    write_text(directory / MANIFEST, document)


def require_joints(manifest: Manifest, joints: tuple[str, ...]) -> None:
    """Raise `BundleError` unless a bundle is for a robot with exactly these joints, in any order.

    Such a robot measures joint positions and camera images only.
    """
    missing = sorted(set(manifest.joints) - set(joints))
    extra = sorted(set(joints) - set(manifest.joints))
    if missing or extra:
        raise BundleError(
            f"model {manifest.name} is for {len(manifest.joints)} joints, the robot has "
            f"{len(joints)}: the robot lacks {', '.join(missing) or 'none'}, the model lacks "
            f"{', '.join(extra) or 'none'}: train with --robot, whose description maps the names "
            "of the data to the joints"
        )
    if manifest.action.meaning != JOINT_POSITION:
        raise BundleError(
            f"model {manifest.name} returns actions {manifest.action.meaning}, the robot takes "
            f"{JOINT_POSITION}: train on recordings of the robot"
        )
    if manifest.states != manifest.joints:
        raise BundleError(
            f"model {manifest.name} takes the states {', '.join(manifest.states) or 'none'}, "
            f"the robot measures the positions of its commanded joints: train with --state "
            f"{' '.join(manifest.joints)}"
        )
    if manifest.clouds:
        raise BundleError(
            f"model {manifest.name} takes point clouds "
            f"({', '.join(cloud.name for cloud in manifest.clouds)}), the robot has cameras only: "
            "train with --points and no name"
        )


def require_cameras(manifest: Manifest, cameras: Sequence[str]) -> None:
    """Raise `BundleError` if a bundle takes a camera that a robot lacks."""
    if missing := [name for name in manifest.camera_names if name not in cameras]:
        raise BundleError(
            f"model {manifest.name} takes the cameras {', '.join(missing)}, the robot has "
            f"{', '.join(cameras) or 'none'}: train with --images and cameras of the robot"
        )
