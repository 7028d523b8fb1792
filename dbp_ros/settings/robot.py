"""Joints, cameras and controllers of the robot; the defaults describe the dual UR5e cell."""

from dataclasses import dataclass
from itertools import accumulate

from dbp_ros.errors import ConfigError
from dbp_ros.settings.fields import Settings, setting

SIDES = ("left", "right")
ARM_JOINTS = (
    *("shoulder_pan_joint", "shoulder_lift_joint", "elbow_joint"),
    *("wrist_1_joint", "wrist_2_joint", "wrist_3_joint"),
)
DUAL_UR5E_JOINTS = tuple(
    f"{side}_{joint}" for side in SIDES for joint in (*ARM_JOINTS, "gripper_joint")
)
CAMERAS = ("head_camera", "left_wrist_camera", "right_wrist_camera")
# Grippers open, pointing down next to the zone that both arms reach.
DUAL_UR5E_HOME = (
    *(-0.439, -1.743, 2.045, -1.873, -1.571, -0.439, 0.085),
    *(-0.202, -1.743, 2.045, -1.873, -1.571, -0.202, 0.085),
)


def both_arms(arm: tuple[float, ...], gripper: float) -> tuple[float, ...]:
    """Return one value per joint of the dual UR5e from those of one arm and one gripper."""
    return (*arm, gripper, *arm, gripper)


@dataclass(frozen=True)
class ControllersConfig(Settings):
    """Joints and the controllers that command them."""

    joints: tuple[str, ...] = setting(DUAL_UR5E_JOINTS, "Joints to command")
    controllers: tuple[str, ...] = setting(
        (
            "left_forward_position_controller",
            "left_gripper_controller",
            "right_forward_position_controller",
            "right_gripper_controller",
        ),
        "Controllers to command, each on <controller>/commands",
    )
    controller_sizes: tuple[int, ...] = setting(
        (6, 1, 6, 1), "Joints of each controller, in the order of `joints`", ge=1
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
        DUAL_UR5E_HOME, "Start pose of each joint, for `dbp home` [rad, m]"
    )
    home_speed: float = setting(
        0.2, "Share of velocity_limit and acceleration_limit for `dbp home`", ge=0.01, le=1.0
    )
