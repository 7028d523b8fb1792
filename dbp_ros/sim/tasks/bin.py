"""A bin on the table: where things are put."""

from dataclasses import dataclass

import mujoco
import numpy as np

from dbp_ros.settings.robot import SIDES
from dbp_ros.types import Array

WALL_M = 0.004
# A thing this far above its place is let go.
DROP_M = 0.012
PAINT = [0.27, 0.40, 0.60, 1]
INSIDE_PAINT = [0.36, 0.49, 0.68, 1]


@dataclass(frozen=True)
class Bin:
    """An open box, its sides along x and y. Its origin is where it stands on the table.

    Attributes:
        length_m: Inside, along x.
        width_m: Inside, along y.
        height_m: Of its walls.
    """

    length_m: float
    width_m: float
    height_m: float

    def build(self, scene: mujoco.MjSpec, x: float, y: float) -> mujoco.MjsBody:
        """Add the body `bin`, made of a floor and four walls; without a joint it stands fast."""
        body = scene.worldbody.add_body(name="bin", pos=[x, y, 0])
        half, across, up = self.length_m / 2, self.width_m / 2, self.height_m / 2
        thin = WALL_M / 2
        sheets = (
            ((0, 0, thin), (half, across, thin), INSIDE_PAINT),
            ((half + thin, 0, up), (thin, across + WALL_M, up), PAINT),
            ((-half - thin, 0, up), (thin, across + WALL_M, up), PAINT),
            ((0, across + thin, up), (half, thin, up), PAINT),
            ((0, -across - thin, up), (half, thin, up), PAINT),
        )
        for position, size, paint in sheets:
            body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                pos=list(position),
                size=list(size),
                rgba=paint,
                mass=0.4,
            )
        return body

    def place_for(self, data: mujoco.MjData, half_height_m: float) -> Array:
        """Return where the centre of a thing rests that stands in the middle. Shape (3,)."""
        centre: Array = data.body("bin").xpos + np.array((0.0, 0.0, WALL_M + half_height_m))
        return centre

    def holds(self, data: mujoco.MjData, body: str, half_height_m: float) -> bool:
        """Return whether a thing is within the walls and on the floor, or would drop there."""
        offset = data.body(body).xpos - self.place_for(data, half_height_m)
        within = abs(offset[0]) < self.length_m / 2 and abs(offset[1]) < self.width_m / 2
        return bool(within and offset[2] < DROP_M)


def touched(model: mujoco.MjModel, data: mujoco.MjData, body: str) -> bool:
    """Return whether an arm touches a thing."""
    pairs = model.geom_bodyid[data.contact.geom]
    mine = pairs == model.body(body).id
    arms = np.isin(model.body_rootid[pairs], [model.body(f"{side}_base").id for side in SIDES])
    return bool((mine.any(axis=1) & arms.any(axis=1)).any())
