"""Task: lift a cube with either arm."""

from collections.abc import Mapping
from typing import ClassVar

import mujoco
import numpy as np

from dbp_ros.sim.tasks.grasp import CLOSED_M, CRUISE_M_S, Grip, grasp, is_grasping
from dbp_ros.sim.tasks.task import Waypoint, aligned_yaw, place, pointing_down
from dbp_ros.sim.tasks.task_object import TaskObject

CUBE_M = 0.04
LIFTED_M = 0.10
TARGET_HEIGHT_M = 0.17
ZONE_M = 0.08
YAW_RAD = 0.4


class Lift:
    """Task of lifting a cube of 4 cm by 0.10 m with one arm; the mode is the arm."""

    name: ClassVar[str] = "lift"
    modes: ClassVar[tuple[str, ...]] = ("left", "right")
    time_limit_s: ClassVar[float] = 8.0
    objects: ClassVar[tuple[TaskObject, ...]] = (TaskObject("cube", 4),)

    def build(self, scene: mujoco.MjSpec) -> None:
        """Add the cube."""
        cube = scene.worldbody.add_body(name="cube", pos=[0, 0, CUBE_M / 2])
        cube.add_freejoint()
        cube.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[CUBE_M / 2] * 3,
            mass=0.08,
            rgba=[0.85, 0.16, 0.15, 1],
            condim=4,
            friction=[1.0, 0.02, 0.001],
        )

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        """Place the cube at random in a zone that both arms reach."""
        x, y = rng.uniform(-ZONE_M, ZONE_M, 2)
        place(model, data, "cube", x, y, CUBE_M / 2, rng.uniform(-YAW_RAD, YAW_RAD))

    def variant(self, data: mujoco.MjData) -> str:
        """Return an empty string: there is one variant."""
        return ""

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        """Return whether the cube is high enough."""
        return bool(data.body("cube").xpos[2] - CUBE_M / 2 >= LIFTED_M)

    def reward(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        """Return one if solved, else zero."""
        return float(self.success(model, data))

    def waypoints(
        self, model: mujoco.MjModel, data: mujoco.MjData, mode: str
    ) -> Mapping[str, Waypoint]:
        """Return a waypoint to grasp the cube, or to lift it."""
        cube = data.body("cube")
        box, tool = (d.xmat.reshape(3, 3) for d in (cube, data.site(f"{mode}_tcp")))
        rotation = pointing_down(aligned_yaw(box, tool))
        grip = Grip(cube.xpos, rotation, CUBE_M)
        if is_grasping(model, data, mode, grip):
            above = np.array((cube.xpos[0], cube.xpos[1], TARGET_HEIGHT_M))
            return {mode: Waypoint(above, rotation, CLOSED_M, CRUISE_M_S)}
        return {mode: grasp(model, data, mode, grip)}
