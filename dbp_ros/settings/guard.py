"""Settings of the guard."""

from dataclasses import dataclass

from dbp_ros.settings.controllers import ControllersConfig, HomeConfig
from dbp_ros.settings.dual_ur5e import DUAL_UR5E
from dbp_ros.settings.fields import setting
from dbp_ros.settings.process import RealtimeConfig, SimClockConfig


@dataclass(frozen=True)
class GuardConfig(ControllersConfig, HomeConfig, RealtimeConfig, SimClockConfig):
    """Settings of the guard, the only publisher of commands."""

    realtime_priority: int = setting(
        45, "SCHED_FIFO priority, 0 for none; the loop has the next higher; below 50", ge=0, le=99
    )
    position_lower: tuple[float, ...] = setting(
        DUAL_UR5E.limits("min_position"), "Smallest command of each joint [rad, m]"
    )
    position_upper: tuple[float, ...] = setting(
        DUAL_UR5E.limits("max_position"), "Largest command of each joint [rad, m]"
    )
    velocity_limit: tuple[float, ...] = setting(
        DUAL_UR5E.limits("max_velocity"), "Velocity limit of each joint [rad/s, m/s]", ge=1e-6
    )
    acceleration_limit: tuple[float, ...] = setting(
        DUAL_UR5E.limits("max_acceleration"),
        "Acceleration limit of each joint [rad/s^2, m/s^2]",
        ge=1e-6,
    )
    tracking_error_limit: tuple[float, ...] = setting(
        DUAL_UR5E.limits("max_tracking_error"),
        "Distance of command and measurement that latches a stop; for a gripper between the width "
        "of a grasped object and the stroke [rad, m]",
        ge=1e-6,
    )
    reanchor_share: float = setting(
        0.1,
        "Share of tracking_error_limit beyond which the command of a held joint is set to its "
        "measured position",
        ge=0.01,
        le=1.0,
    )
    gripper_joints: tuple[str, ...] = setting(
        DUAL_UR5E.gripper_joints, "Joints that a grasped object may block"
    )
    position_margin: float = setting(
        0.25,
        "Share of a joint's range, at least 0.25 rad or m, by which a chunk may exceed its limits "
        "before it is refused",
        ge=0.0,
    )
    rest_speed: float = setting(
        0.1, "Share of velocity_limit above which control cannot be enabled", ge=1e-3
    )
    command_rate_hz: float = setting(
        DUAL_UR5E.command_rate_hz, "Commands per second", ge=10.0, le=1000.0
    )
    chunk_timeout_s: float = setting(0.1, "Age of a chunk at which the arms stop", ge=0.01, le=5.0)
    joint_state_timeout_s: float = setting(
        0.1, "Gap of the joint states at which the arms stop", ge=0.01, le=5.0
    )
    joint_state_loss_s: float = setting(
        1.0, "Gap of the joint states that disables control", ge=0.01, le=60.0
    )
    enable_control: bool = setting(
        False, "Command the arms from the start; otherwise call ~/enable_control"
    )
