"""Settings of the recorder node."""

from dataclasses import dataclass
from pathlib import Path

from dbp_ros.errors import ConfigError
from dbp_ros.settings.controllers import ControllersConfig
from dbp_ros.settings.dual_ur5e import DUAL_UR5E
from dbp_ros.settings.fields import setting
from dbp_ros.settings.learner import BagCompression
from dbp_ros.settings.policy import ImageTransportName
from dbp_ros.settings.robot_files import read_robot

FOLDER = "recordings"
# Commands of an operator, on the topic `~/command` and by buttons of a gamepad.
COMMANDS = ("begin", "success", "failure", "discard", "keep_last", "toggle")


@dataclass(frozen=True)
class RecorderConfig(ControllersConfig):
    """Settings of the recorder node, which records episodes of a robot driven by any node."""

    cameras: tuple[str, ...] = setting(DUAL_UR5E.camera_names, "Cameras to record")
    command_rate_hz: float = setting(
        DUAL_UR5E.command_rate_hz, "Commands per second of the robot", ge=1.0, le=1000.0
    )
    out: str = setting("", f"Folder of the episodes; empty for {FOLDER}/ROBOT")
    task: str = setting("", "Task, stored with each episode; ~/task changes it for the next ones")
    operator: str = setting("", "Name or initials of the operator, stored with each episode")
    image_transport: ImageTransportName = setting(
        "raw", "Topics of the images: image_raw, or image_raw/compressed"
    )
    bag_compression: BagCompression = setting(
        "none", "Lossless compression of the episodes; costs CPU time"
    )
    ring_buffer_s: float = setting(
        30.0, "Duration that ~/keep_last writes as an episode; 0 to disable it", ge=0.0, le=3600.0
    )
    ring_buffer_mb: float = setting(
        500.0,
        "Largest memory of the messages for ~/keep_last [MB]; twice as much while it writes",
        ge=1.0,
    )
    min_free_gb: float = setting(
        2.0, "Free space of the disk [GB] below which no episode begins or continues", ge=0.1
    )
    joy_buttons: tuple[str, ...] = setting(
        (),
        "Buttons of a gamepad or pedal on the topic joy, each as command=number; commands are "
        f"{', '.join(COMMANDS)}",
    )

    def buttons(self) -> dict[int, str]:
        """Return the command of each button by its number.

        Raises:
            ConfigError: If an item of `joy_buttons` is invalid or a button occurs twice.
        """
        found: dict[int, str] = {}
        for item in self.joy_buttons:
            command, _, number = item.partition("=")
            if command not in COMMANDS or not number.isdecimal():
                raise ConfigError(
                    f"joy_buttons has {item!r}, expected command=number, such as begin=0, with one "
                    f"of the commands {', '.join(COMMANDS)}"
                )
            if int(number) in found:
                raise ConfigError(
                    f"joy_buttons has button {number} twice: {found[int(number)]} and {command}"
                )
            found[int(number)] = command
        return found

    def folder(self) -> Path:
        """Return the folder of the episodes."""
        return Path(self.out or f"{FOLDER}/{read_robot(self.robot).name}").expanduser()
