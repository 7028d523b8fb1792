"""Shapes of the objects in a scene, for viewers."""

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


def object_shapes(model: mujoco.MjModel, data: mujoco.MjData) -> list[ObjectShape]:
    """Return the visible boxes and cylinders of all bodies that are not part of world or robot.

    Args:
        model: Scene in which only joints of the robot have actuators.
        data: Its state.
    """
    joints = model.actuator_trnid[model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT, 0]
    robot = set(model.body_rootid[model.jnt_bodyid[joints]].tolist())
    found = []
    for number in range(model.ngeom):
        body = int(model.geom_bodyid[number])
        kind = KINDS.get(int(model.geom_type[number]))
        hidden = int(model.geom_group[number]) != SHOWN_GROUP
        if kind is None or hidden or body == 0 or int(model.body_rootid[body]) in robot:
            continue
        found.append(_shape(model, data, number, kind))
    return found


def _shape(
    model: mujoco.MjModel, data: mujoco.MjData, number: int, kind: Literal["box", "cylinder"]
) -> ObjectShape:
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
