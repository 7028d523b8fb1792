"""Settings of the simulated cell."""

from dataclasses import dataclass

from dbp_ros.settings.fields import setting
from dbp_ros.settings.process import RealtimeConfig, SimClockConfig
from dbp_ros.settings.robot import ControllersConfig

TASKS = ("reach", "lift", "can", "transport")
CAMERA_BACKENDS = ("auto", "egl", "osmesa", "raycast")


@dataclass(frozen=True)
class SimulationConfig(ControllersConfig, RealtimeConfig, SimClockConfig):
    """The simulated cell, seen through the topics of a real one."""

    lock_memory: bool = setting(False, "Lock the process in memory where that is allowed")
    task: str = setting("lift", "Task: reach, lift, can or transport", choices=TASKS)
    publish_clock: bool = setting(
        False, "Publish `/clock`; always published if `real_time_factor` is not 1"
    )
    seed: int = setting(
        100_000,
        "Seed of the first episode; each reset adds one. Demonstrations have those from 0",
        minimum=0,
    )
    joint_state_rate_hz: float = setting(
        250.0, "Joint states a second", minimum=10.0, maximum=500.0
    )
    camera_rate_hz: float = setting(30.0, "Pictures a second", minimum=1.0, maximum=120.0)
    image_height: int = setting(84, "Height of the pictures [px]", minimum=8, maximum=2160)
    image_width: int = setting(84, "Width of the pictures [px]", minimum=8, maximum=3840)
    render_height: int = setting(
        0,
        "Height that is drawn and then enlarged [px]; 0 for image_height",
        minimum=0,
        maximum=2160,
    )
    render_width: int = setting(
        0, "Width that is drawn and then enlarged [px]; 0 for image_width", minimum=0, maximum=3840
    )
    camera_backend: str = setting(
        "auto", "Renderer: auto, egl, osmesa or raycast", choices=CAMERA_BACKENDS
    )
    publisher_search_s: float = setting(
        1.0,
        "Duration of the search for another publisher of the joints at the start [s]",
        minimum=0.5,
        maximum=60.0,
    )
