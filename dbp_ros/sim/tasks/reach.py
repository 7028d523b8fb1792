"""Task: hold each gripper over the mat of its side."""

from collections.abc import Mapping
from typing import ClassVar

import mujoco
import numpy as np

from dbp_ros.settings.dual_ur5e import SIDES
from dbp_ros.sim.scene import GRIPPER_STROKE_M
from dbp_ros.sim.tasks.grasp import CRUISE_M_S
from dbp_ros.sim.tasks.task import Waypoint, place, pointing_down
from dbp_ros.sim.tasks.task_object import TaskObject
from dbp_ros.types import Array

SIDE_M = 0.09
THICKNESS_M = 0.006
ABOVE_M = 0.08
REACHED_M = 0.06
# Distance from which the reward is -1.
FAR_M = 0.3
ZONE_M = ((-0.12, 0.10), (0.16, 0.32))
OUTWARDS = {"left": 1.0, "right": -1.0}
COLOUR = {"left": [0.10, 0.62, 0.25, 1], "right": [0.75, 0.12, 0.55, 1]}


class Reach:
    """Task of holding the left gripper over the green mat and the right one over the red mat.

    The reward is dense, so that learning starts before the first success. It is at most zero, so
    that a longer episode has no larger return.
    """

    name: ClassVar[str] = "reach"
    modes: ClassVar[tuple[str, ...]] = ("both",)
    time_limit_s: ClassVar[float] = 3.0
    objects: ClassVar[tuple[TaskObject, ...]] = tuple(
        TaskObject(f"{side}_mat", 4) for side in SIDES
    )

    def build(self, scene: mujoco.MjSpec) -> None:
        """Add the mats as free bodies."""
        for side in SIDES:
            y = OUTWARDS[side] * ZONE_M[1][0]
            mat = scene.worldbody.add_body(name=f"{side}_mat", pos=[0, y, THICKNESS_M / 2])
            mat.add_freejoint()
            mat.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                size=[SIDE_M / 2, SIDE_M / 2, THICKNESS_M / 2],
                mass=0.1,
                rgba=COLOUR[side],
            )

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        """Place each mat at random in the zone of its arm."""
        for side in SIDES:
            x, y = rng.uniform(*np.transpose(ZONE_M))
            place(model, data, f"{side}_mat", x, OUTWARDS[side] * y, THICKNESS_M / 2, 0.0)

    def variant(self, data: mujoco.MjData) -> str:
        """Return an empty string: there is one variant."""
        return ""

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        """Return whether both grippers are at their targets."""
        return max(self._distances(data)) <= REACHED_M

    def reward(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        """Return the negative mean distance of the grippers, as a fraction of `FAR_M`."""
        return -float(np.mean(np.minimum(self._distances(data), FAR_M))) / FAR_M

    def waypoints(
        self, model: mujoco.MjModel, data: mujoco.MjData, mode: str
    ) -> Mapping[str, Waypoint]:
        """Return the targets as waypoints."""
        down = pointing_down(0.0)
        return {
            side: Waypoint(_target(data, side), down, GRIPPER_STROKE_M, CRUISE_M_S)
            for side in SIDES
        }

    def _distances(self, data: mujoco.MjData) -> list[float]:
        """Return the distance of each gripper to its target in [m]."""
        return [
            float(np.linalg.norm(data.site(f"{side}_tcp").xpos - _target(data, side)))
            for side in SIDES
        ]


def _target(data: mujoco.MjData, side: str) -> Array:
    point: Array = data.body(f"{side}_mat").xpos + np.array((0.0, 0.0, ABOVE_M))
    return point
