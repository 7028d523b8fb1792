"""Task: put a can into a bin with either arm."""

from collections.abc import Mapping
from typing import ClassVar

import mujoco
import numpy as np

from dbp_ros.sim.tasks.bin import Bin, touched_by_arm
from dbp_ros.sim.tasks.grasp import Grip, carry, grasp, is_grasping, release
from dbp_ros.sim.tasks.task import Waypoint, place, pointing_down
from dbp_ros.sim.tasks.task_object import TaskObject
from dbp_ros.types import Array

RADIUS_M = 0.033
HEIGHT_M = 0.10
# Height of the tool centre above the middle; the pads end at the top of the can.
GRIP_ABOVE_M = 0.022
APPROACH_SLOPE = 12.0
BIN = Bin(length_m=0.18, width_m=0.24, height_m=0.06)
BIN_X_M = 0.18
ZONE_M = ((-0.16, 0.0), (-0.10, 0.10))


class Can:
    """Task of putting a can into the bin with one arm; the mode is the arm."""

    name: ClassVar[str] = "can"
    modes: ClassVar[tuple[str, ...]] = ("left", "right")
    time_limit_s: ClassVar[float] = 15.0
    # The bin is fixed.
    objects: ClassVar[tuple[TaskObject, ...]] = (TaskObject("can", 0),)

    def build(self, scene: mujoco.MjSpec) -> None:
        """Add the bin and the can."""
        # With one contact per pair a standing cylinder rocks and drifts.
        scene.option.enableflags |= mujoco.mjtEnableBit.mjENBL_MULTICCD.value
        BIN.build(scene, BIN_X_M, 0.0)
        can = scene.worldbody.add_body(name="can", pos=[0, 0, HEIGHT_M / 2])
        can.add_freejoint()
        can.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CYLINDER,
            size=[RADIUS_M, HEIGHT_M / 2, 0],
            mass=0.12,
            rgba=[0.16, 0.52, 0.27, 1],
            condim=4,
            friction=[1.0, 0.02, 0.001],
        )
        for rim in (-1, 1):
            can.add_geom(
                type=mujoco.mjtGeom.mjGEOM_CYLINDER,
                pos=[0, 0, rim * (HEIGHT_M / 2 - 0.002)],
                size=[RADIUS_M - 0.002, 0.003, 0],
                mass=0,
                rgba=[0.80, 0.81, 0.83, 1],
                contype=0,
                conaffinity=0,
            )

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        """Place the can at random in a zone in front of the bin that both arms reach."""
        (x, y), turn = rng.uniform(*np.transpose(ZONE_M)), rng.uniform(-np.pi, np.pi)
        place(model, data, "can", x, y, HEIGHT_M / 2, turn)

    def variant(self, data: mujoco.MjData) -> str:
        """Return an empty string: there is one variant."""
        return ""

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        """Return whether the can is in the bin and no arm touches it."""
        return BIN.contains(data, "can", HEIGHT_M / 2) and not touched_by_arm(model, data, "can")

    def reward(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        """Return one if solved, else zero."""
        return float(self.success(model, data))

    def waypoints(
        self, model: mujoco.MjModel, data: mujoco.MjData, mode: str
    ) -> Mapping[str, Waypoint]:
        """Return a waypoint to grasp the can, carry it over the wall, release it, or withdraw."""
        can = data.body("can")
        upwards: Array = can.xmat.reshape(3, 3)[:, 2]
        rotation = pointing_down(0.0)
        grip = Grip(can.xpos + GRIP_ABOVE_M * upwards, rotation, 2 * RADIUS_M, APPROACH_SLOPE)
        if BIN.contains(data, "can", HEIGHT_M / 2):
            return {mode: release(model, data, mode, grip)}
        if is_grasping(model, data, mode, grip):
            target = BIN.rest_position(data, HEIGHT_M / 2)
            return {mode: carry(data, mode, "can", target, rotation)}
        return {mode: grasp(model, data, mode, grip)}
