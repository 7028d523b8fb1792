"""Shapes of the objects in a scene, for viewers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np

from dbp_ros.sim.stripes import SHOWN_GROUP
from dbp_ros.types import Array

KINDS: dict[int, Literal["box", "cylinder"]] = {
    mujoco.mjtGeom.mjGEOM_BOX: "box",
    mujoco.mjtGeom.mjGEOM_CYLINDER: "cylinder",
}


@dataclass(frozen=True)
class ObjectShape:
    """A box or a cylinder of an object.

    Attributes:
        body: Name of the object.
        number: Number of the shape in the scene.
        kind: Its kind; the axis of a cylinder is z.
        size: Edges of its bounding box before the rotation, in [m]. Shape (3,).
        colour: Red, green, blue and opacity, from 0 to 1. Shape (4,).
        position: Of its centre in the world, in [m]. Shape (3,).
        wxyz: Its rotation as a unit quaternion. Shape (4,).
    """

    body: str
    number: int
    kind: Literal["box", "cylinder"]
    size: Array
    colour: Array
    position: Array
    wxyz: Array


def object_geoms(model: mujoco.MjModel) -> list[int]:
    """Return the boxes and cylinders of all bodies that are not part of world or robot.

    Args:
        model: Scene in which only joints of the robot have actuators.
    """
    joints = model.actuator_trnid[model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT, 0]
    robot = set(model.body_rootid[model.jnt_bodyid[joints]].tolist())
    others = (
        (number, int(body))
        for number, body in enumerate(model.geom_bodyid)
        if int(model.geom_type[number]) in KINDS
    )
    return [number for number, body in others if body and int(model.body_rootid[body]) not in robot]


def object_shapes(
    model: mujoco.MjModel, data: mujoco.MjData, geoms: Sequence[int]
) -> list[ObjectShape]:
    """Return the visible ones of some boxes and cylinders.

    Args:
        model: The scene.
        data: Its state.
        geoms: Their numbers, see `object_geoms`.
    """
    return [_shape(model, data, n) for n in geoms if int(model.geom_group[n]) == SHOWN_GROUP]


def _shape(model: mujoco.MjModel, data: mujoco.MjData, number: int) -> ObjectShape:
    kind = KINDS[int(model.geom_type[number])]
    half = model.geom_size[number].copy()
    if kind == "cylinder":
        # MuJoCo has the radius and half the length.
        half = half[[0, 0, 1]]
    wxyz = np.zeros(4)
    mujoco.mju_mat2Quat(wxyz, data.geom_xmat[number])
    return ObjectShape(
        body=model.body(model.geom_bodyid[number]).name,
        number=number,
        kind=kind,
        size=2.0 * half,
        colour=model.geom_rgba[number].astype(np.float64),
        position=data.geom_xpos[number].copy(),
        wxyz=wxyz,
    )
