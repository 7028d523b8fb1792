"""Settings of the simulated cell."""

from dataclasses import dataclass
from typing import Literal

from dbp_ros.settings.controllers import ControllersConfig
from dbp_ros.settings.dual_ur5e import DUAL_UR5E
from dbp_ros.settings.fields import setting
from dbp_ros.settings.process import RealtimeConfig, SimClockConfig

TaskName = Literal["reach", "lift", "can", "transport"]
CameraBackend = Literal["auto", "egl", "osmesa", "raycast"]


@dataclass(frozen=True)
class SimulationConfig(ControllersConfig, RealtimeConfig, SimClockConfig):
    """Settings of the simulated cell."""

    lock_memory: bool = setting(False, "Lock the memory of the process, if allowed")
    task: TaskName = setting("lift", "Task")
    publish_clock: bool = setting(
        False, "Publish `/clock`; always published if `real_time_factor` is not 1"
    )
    auto_reset: bool = setting(
        False, "Begin the next episode under control after success, the time limit or a stop"
    )
    seed: int = setting(100_000, "Seed of the first episode; each adds 1", ge=0)
    cameras: tuple[str, ...] = setting(DUAL_UR5E.camera_names, "Cameras to render")
    joint_state_rate_hz: float = setting(250.0, "Joint states per second", ge=10.0, le=500.0)
    camera_rate_hz: float = setting(30.0, "Images per second", ge=1.0, le=120.0)
    image_height: int = setting(84, "Height of the images [px]", ge=8, le=2160)
    image_width: int = setting(84, "Width of the images [px]", ge=8, le=3840)
    render_height: int = setting(0, "Rendered height [px]; 0 for image_height", ge=0, le=2160)
    render_width: int = setting(0, "Rendered width [px]; 0 for image_width", ge=0, le=3840)
    camera_backend: CameraBackend = setting("auto", "Renderer")
    publisher_search_s: float = setting(
        1.0, "Search for other publishers of the joints at the start [s]", ge=0.5, le=60.0
    )
