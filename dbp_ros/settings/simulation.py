"""Settings of the simulated cell."""

from dataclasses import dataclass
from typing import Literal

from dbp_ros.settings.fields import setting
from dbp_ros.settings.process import RealtimeConfig, SimClockConfig
from dbp_ros.settings.robot import ControllersConfig

TaskName = Literal["reach", "lift", "can", "transport"]
CameraBackend = Literal["auto", "egl", "osmesa", "raycast"]


@dataclass(frozen=True)
class SimulationConfig(ControllersConfig, RealtimeConfig, SimClockConfig):
    """The simulated cell, seen through the topics of a real one."""

    lock_memory: bool = setting(False, "Lock the process in memory where that is allowed")
    task: TaskName = setting("lift", "Task: reach, lift, can or transport")
    publish_clock: bool = setting(
        False, "Publish `/clock`; always published if `real_time_factor` is not 1"
    )
    seed: int = setting(
        100_000,
        "Seed of the first episode; each reset adds one. Demonstrations have those from 0",
        ge=0,
    )
    joint_state_rate_hz: float = setting(250.0, "Joint states a second", ge=10.0, le=500.0)
    camera_rate_hz: float = setting(30.0, "Pictures a second", ge=1.0, le=120.0)
    image_height: int = setting(84, "Height of the pictures [px]", ge=8, le=2160)
    image_width: int = setting(84, "Width of the pictures [px]", ge=8, le=3840)
    render_height: int = setting(
        0,
        "Height that is drawn and then enlarged [px]; 0 for image_height",
        ge=0,
        le=2160,
    )
    render_width: int = setting(
        0, "Width that is drawn and then enlarged [px]; 0 for image_width", ge=0, le=3840
    )
    camera_backend: CameraBackend = setting("auto", "Renderer: auto, egl, osmesa or raycast")
    publisher_search_s: float = setting(
        1.0,
        "Duration of the search for another publisher of the joints at the start [s]",
        ge=0.5,
        le=60.0,
    )
