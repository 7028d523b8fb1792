"""A bin on the table, the target of pick-and-place tasks."""

from dataclasses import dataclass

import mujoco
import numpy as np

from dbp_ros.settings.dual_ur5e import SIDES
from dbp_ros.types import Array

WALL_M = 0.004
# Largest height above the rest position at which an object counts as in the bin.
MAX_HEIGHT_M = 0.012
COLOUR = [0.27, 0.40, 0.60, 1]
INSIDE_COLOUR = [0.36, 0.49, 0.68, 1]


@dataclass(frozen=True)
class Bin:
    """An open box with sides along x and y, and its origin on the table.

    Attributes:
        length_m: Inner size along x.
        width_m: Inner size along y.
        height_m: Height of the walls.
    """

    length_m: float
    width_m: float
    height_m: float

    def build(self, scene: mujoco.MjSpec, x: float, y: float) -> mujoco.MjsBody:
        """Add the body `bin`: a floor and four walls, fixed unless the caller adds a joint."""
        body = scene.worldbody.add_body(name="bin", pos=[x, y, 0])
        half, across, up = self.length_m / 2, self.width_m / 2, self.height_m / 2
        thin = WALL_M / 2
        plates = (
            ((0, 0, thin), (half, across, thin), INSIDE_COLOUR),
            ((half + thin, 0, up), (thin, across + WALL_M, up), COLOUR),
            ((-half - thin, 0, up), (thin, across + WALL_M, up), COLOUR),
            ((0, across + thin, up), (half, thin, up), COLOUR),
            ((0, -across - thin, up), (half, thin, up), COLOUR),
        )
        for position, size, colour in plates:
            body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                pos=list(position),
                size=list(size),
                rgba=colour,
                mass=0.4,
            )
        return body

    def rest_position(self, data: mujoco.MjData, half_height_m: float) -> Array:
        """Return the centre of an object that stands in the middle of the bin. Shape (3,)."""
        centre: Array = data.body("bin").xpos + np.array((0.0, 0.0, WALL_M + half_height_m))
        return centre

    def contains(self, data: mujoco.MjData, body: str, half_height_m: float) -> bool:
        """Return whether an object is within the walls and on the floor, or just above it."""
        offset = data.body(body).xpos - self.rest_position(data, half_height_m)
        within = abs(offset[0]) < self.length_m / 2 and abs(offset[1]) < self.width_m / 2
        return bool(within and offset[2] < MAX_HEIGHT_M)


def touched_by_arm(model: mujoco.MjModel, data: mujoco.MjData, body: str) -> bool:
    """Return whether an arm touches a body."""
    pairs = model.geom_bodyid[data.contact.geom]
    involved = pairs == model.body(body).id
    arms = np.isin(model.body_rootid[pairs], [model.body(f"{side}_base").id for side in SIDES])
    return bool((involved.any(axis=1) & arms.any(axis=1)).any())
