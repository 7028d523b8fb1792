"""Joints of the robot, the controllers that command them, and their start pose."""

from dataclasses import dataclass
from itertools import accumulate

from dbp_ros.errors import ConfigError
from dbp_ros.settings.dual_ur5e import DEFAULT_ROBOT, DUAL_UR5E
from dbp_ros.settings.fields import Settings, setting


@dataclass(frozen=True)
class RobotConfig(Settings):
    """Description of the robot, the default of several other settings."""

    robot: str = setting(
        DEFAULT_ROBOT,
        "Description of the robot: a name in config/robots/, or a file; joints, limits, "
        "controllers, cameras and command rate default to it",
    )


@dataclass(frozen=True)
class ControllersConfig(RobotConfig):
    """Joints and the controllers that command them."""

    joints: tuple[str, ...] = setting(DUAL_UR5E.joints, "Joints to command")
    controllers: tuple[str, ...] = setting(
        DUAL_UR5E.controllers, "Controllers to command, each on <controller>/commands"
    )
    controller_sizes: tuple[int, ...] = setting(
        DUAL_UR5E.controller_sizes, "Joints of each controller, in the order of `joints`", ge=1
    )

    def controller_slices(self) -> list[slice]:
        """Return the slice of a command for each controller.

        Raises:
            ConfigError: If the sizes do not add up to the joints.
        """
        sizes = self.controller_sizes
        if len(sizes) != len(self.controllers) or sum(sizes) != len(self.joints):
            raise ConfigError(
                f"controller_sizes {sizes} for {len(self.controllers)} controllers add up to "
                f"{sum(sizes)}, expected one size per controller and the sum {len(self.joints)}"
            )
        ends = accumulate(sizes)
        return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]


@dataclass(frozen=True)
class HomeConfig(Settings):
    """Start pose of the arms; `dbp home` reads it from the guard."""

    home_positions: tuple[float, ...] = setting(
        DUAL_UR5E.home_positions, "Start pose of each joint, for `dbp home` [rad, m]"
    )
    home_speed: float = setting(
        DUAL_UR5E.home_speed,
        "Share of velocity_limit and acceleration_limit for `dbp home`",
        ge=0.01,
        le=1.0,
    )
