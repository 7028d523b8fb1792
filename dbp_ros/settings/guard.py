"""Settings of the guard."""

from dataclasses import dataclass
from math import pi

from dbp_ros.settings.fields import setting
from dbp_ros.settings.process import RealtimeConfig, SimClockConfig
from dbp_ros.settings.robot import DUAL_UR5E_JOINTS, ControllersConfig, HomeConfig, both_arms


@dataclass(frozen=True)
class GuardConfig(ControllersConfig, HomeConfig, RealtimeConfig, SimClockConfig):
    """The guard: the process that alone commands the arms."""

    realtime_priority: int = setting(
        45, "SCHED_FIFO priority of the loop, 0 for none; keep below 50", ge=0, le=99
    )
    position_lower: tuple[float, ...] = setting(
        both_arms((-2 * pi, -2 * pi, -pi, -2 * pi, -2 * pi, -2 * pi), 0.0),
        "Lowest command of each joint [rad, m]",
    )
    position_upper: tuple[float, ...] = setting(
        both_arms((2 * pi, 2 * pi, pi, 2 * pi, 2 * pi, 2 * pi), 0.085),
        "Highest command of each joint [rad, m]",
    )
    velocity_limit: tuple[float, ...] = setting(
        both_arms((2.0, 2.0, 2.0, 2.5, 2.5, 2.5), 0.2),
        "Highest commanded speed of each joint [rad/s, m/s]",
        ge=1e-6,
    )
    acceleration_limit: tuple[float, ...] = setting(
        both_arms((12.0,) * 6, 2.0),
        "Highest commanded acceleration of each joint [rad/s^2, m/s^2]",
        ge=1e-6,
    )
    tracking_error_limit: tuple[float, ...] = setting(
        both_arms((0.25,) * 6, 0.07),
        "Distance of command and measurement that latches a stop; for a gripper more than the "
        "width of what it holds, and less than its stroke [rad, m]",
        ge=1e-6,
    )
    reanchor_share: float = setting(
        0.1,
        "Share of tracking_error_limit by which a joint that is held may leave its command before "
        "the command follows it",
        ge=0.01,
        le=1.0,
    )
    gripper_joints: tuple[str, ...] = setting(
        tuple(joint for joint in DUAL_UR5E_JOINTS if "gripper" in joint),
        "Joints that an object may keep away from their command",
    )
    position_margin: float = setting(
        0.25,
        "Share of a joint's range, at least 0.25 rad or m, by which a chunk may exceed its limits; "
        "a chunk beyond that is refused",
        ge=0.0,
    )
    rest_speed: float = setting(
        0.1,
        "Share of velocity_limit at which the arms count as moving, and control is not enabled",
        ge=1e-3,
    )
    command_rate_hz: float = setting(500.0, "Commands a second", ge=10.0, le=1000.0)
    chunk_timeout_s: float = setting(
        0.1, "Without a fresh chunk for this long the arms come to rest", ge=0.01, le=5.0
    )
    joint_state_timeout_s: float = setting(
        0.1, "Without joint states for this long the arms come to rest", ge=0.01, le=5.0
    )
    joint_state_loss_s: float = setting(
        1.0,
        "Without joint states for this long the enabling is withdrawn; after a shorter gap the "
        "guard goes on by itself",
        ge=0.01,
        le=60.0,
    )
    enable_control: bool = setting(
        False, "Command the arms from the start; otherwise call ~/enable_control"
    )
