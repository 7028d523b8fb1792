"""Hold each hand over the mat of its side: the simplest task that takes both arms and eyes."""

from collections.abc import Mapping
from typing import ClassVar

import mujoco
import numpy as np

from dbp_ros.settings.robot import SIDES
from dbp_ros.sim.scene import GRIPPER_STROKE_M
from dbp_ros.sim.tasks.grasp import CRUISE_M_S
from dbp_ros.sim.tasks.task import Waypoint, place, pointing_down
from dbp_ros.sim.tasks.task_object import TaskObject
from dbp_ros.types import Array

SIDE_M = 0.09
THICKNESS_M = 0.006
ABOVE_M = 0.08
REACHED_M = 0.06
# A hand this far away earns the lowest reward.
FAR_M = 0.3
ZONE_M = ((-0.12, 0.10), (0.16, 0.32))
OUTWARDS = {"left": 1.0, "right": -1.0}
PAINT = {"left": [0.10, 0.62, 0.25, 1], "right": [0.75, 0.12, 0.55, 1]}


class Reach:
    """Each arm holds its hand over a mat: the left one over the green, the right over the red.

    Its reward is how far the hands still have to go, so there is something to learn before the
    first success; it is highest, zero, at the goal, so that lingering earns nothing.
    """

    name: ClassVar[str] = "reach"
    modes: ClassVar[tuple[str, ...]] = ("both",)
    time_limit_s: ClassVar[float] = 3.0
    things: ClassVar[tuple[TaskObject, ...]] = tuple(TaskObject(f"{side}_mat", 4) for side in SIDES)

    def build(self, scene: mujoco.MjSpec) -> None:
        """Add the mats, which lie by their weight."""
        for side in SIDES:
            y = OUTWARDS[side] * ZONE_M[1][0]
            mat = scene.worldbody.add_body(name=f"{side}_mat", pos=[0, y, THICKNESS_M / 2])
            mat.add_freejoint()
            mat.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                size=[SIDE_M / 2, SIDE_M / 2, THICKNESS_M / 2],
                mass=0.1,
                rgba=PAINT[side],
            )

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        """Lay each mat anywhere in the zone of its arm."""
        for side in SIDES:
            x, y = rng.uniform(*np.transpose(ZONE_M))
            place(model, data, f"{side}_mat", x, OUTWARDS[side] * y, THICKNESS_M / 2, 0.0)

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        """Return whether both hands are where they should be."""
        return max(self._distances(data)) <= REACHED_M

    def reward(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        """Return minus the mean way that the hands have to go, as a share of `FAR_M`."""
        return -float(np.mean(np.minimum(self._distances(data), FAR_M))) / FAR_M

    def goals(
        self, model: mujoco.MjModel, data: mujoco.MjData, mode: str
    ) -> Mapping[str, Waypoint]:
        """Go straight there."""
        down = pointing_down(0.0)
        return {
            side: Waypoint(_over(data, side), down, GRIPPER_STROKE_M, CRUISE_M_S) for side in SIDES
        }

    def _distances(self, data: mujoco.MjData) -> list[float]:
        """Return how far each hand is from where it should be, in [m]."""
        return [
            float(np.linalg.norm(data.site(f"{side}_tcp").xpos - _over(data, side)))
            for side in SIDES
        ]


def _over(data: mujoco.MjData, side: str) -> Array:
    point: Array = data.body(f"{side}_mat").xpos + np.array((0.0, 0.0, ABOVE_M))
    return point
