"""Description of a recording, stored in the metadata of each bag of the recorder node."""

from dataclasses import asdict, dataclass
from typing import Any

from dbp_ros import __version__
from dbp_ros.settings.recorder import RecorderConfig

RECORDED_BY = "recorder"


@dataclass(frozen=True)
class RecordingManifest:
    """Values in the metadata of a bag.

    Attributes:
        robot: Description of the robot: a name in `config/robots/`, or a file.
        task: Task of the episode, as text.
        operator: Operator of the episode.
        joints: Joints of the robot, in the order of all joint vectors.
        cameras: Recorded cameras.
        controllers: Number of joints of each forward controller, by its name; its commands have
            the next joints in the order of `joints`.
        control_rate_hz: Commands per second of the robot.
        step_s: Time between two points of the last action chunk before the episode, or between two
            commands if none was received, in [s].
        model: Name of the active model of the policy; null without a policy.
        model_version: Version of the model; null without a policy.
        model_sha256: Sha256 of the manifest of the model; null without a policy.
        recorded_by: Name of the node.
        software_version: Version of dbp_ros.
    """

    robot: str
    task: str
    operator: str
    joints: tuple[str, ...]
    cameras: tuple[str, ...]
    controllers: dict[str, int]
    control_rate_hz: float
    step_s: float
    model: str | None = None
    model_version: int | None = None
    model_sha256: str | None = None
    recorded_by: str = RECORDED_BY
    software_version: str = __version__

    def to_metadata(self) -> dict[str, Any]:
        """Return the values by name, JSON-serialisable."""
        return asdict(self)


def manifest_of(config: RecorderConfig) -> RecordingManifest:
    """Return the manifest of a recording without a policy.

    Raises:
        ConfigError: If the sizes of the controllers do not add up to the joints.
    """
    config.controller_slices()
    return RecordingManifest(
        robot=config.robot,
        task=config.task,
        operator=config.operator,
        joints=config.joints,
        cameras=config.cameras,
        controllers=dict(zip(config.controllers, config.controller_sizes, strict=True)),
        control_rate_hz=config.command_rate_hz,
        step_s=1.0 / config.command_rate_hz,
    )
