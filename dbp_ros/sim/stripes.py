"""Stripes on the objects of a task: a texture that is hidden in the nominal cell."""

from collections.abc import Sequence

import mujoco
import numpy as np

# Geom groups of MuJoCo's visualisation: the first three are visible.
SHOWN_GROUP, HIDDEN_GROUP = 0, 5
PREFIX = "stripe"
# Centres along the geom and width, as shares of its half size.
CENTRES, WIDTH = (-0.6, 0.0, 0.6), 0.15
ABOVE_SURFACE_M = 0.0004


def add_stripes(scene: mujoco.MjSpec, bodies: Sequence[str]) -> None:
    """Add hidden stripes, without mass and contacts, to each box and cylinder of some bodies."""
    for body in (scene.body(name) for name in bodies):
        for number, geom in enumerate(list(body.geoms)):
            if geom.type not in (mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CYLINDER):
                continue
            cylinder = geom.type == mujoco.mjtGeom.mjGEOM_CYLINDER
            # The half sizes of a cylinder are its radius and its half height along z.
            index = 1 if cylinder else int(np.argmax(geom.size))
            along = np.eye(3)[2 if cylinder else index]
            for stripe, centre in enumerate(CENTRES):
                size = np.array(geom.size) + ABOVE_SURFACE_M
                size[index] = WIDTH * geom.size[index]
                body.add_geom(
                    name=f"{PREFIX}_{body.name}_{number}_{stripe}",
                    type=geom.type,
                    pos=geom.pos + centre * geom.size[index] * along,
                    size=size,
                    rgba=geom.rgba,
                    mass=0,
                    group=HIDDEN_GROUP,
                    contype=0,
                    conaffinity=0,
                )
