"""Variation of the cell: cameras, light, colours and physics, for training and for benchmarks."""

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from dbp_ros.settings.dual_ur5e import CAMERAS
from dbp_ros.sim.stripes import HIDDEN_GROUP, PREFIX, SHOWN_GROUP
from dbp_ros.types import Array

TABLE_MATERIAL = "table_top"
POSITION_GAIN, POSITION_BIAS, VELOCITY_BIAS = 0, 1, 2


@dataclass(frozen=True)
class Variation:
    """Differences between a cell and the nominal one.

    Attributes:
        camera_shift_m: Shift of each camera, in a random direction.
        camera_turn_rad: Rotation of each camera about a random axis.
        light_ratio: Brightness of all lights, relative to the nominal one.
        light_colour: Brightness of red, green and blue, relative to the nominal one.
        object_colour: Share of a random colour in the colour of each object.
        object_texture: Share of a random colour in stripes on each object.
        table_ratio: Brightness of the table, relative to the nominal one.
        friction_ratio: Sliding friction of all contacts, relative to the nominal one.
        mass_ratio: Mass of the objects, relative to the nominal one.
        stiffness_ratio: Stiffness of the arm servos, relative to the nominal one.
    """

    camera_shift_m: float = 0.0
    camera_turn_rad: float = 0.0
    light_ratio: float = 1.0
    light_colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    object_colour: float = 0.0
    object_texture: float = 0.0
    table_ratio: float = 1.0
    friction_ratio: float = 1.0
    mass_ratio: float = 1.0
    stiffness_ratio: float = 1.0


NOMINAL = Variation()
# Ranges of the domain randomisation at scale 1. With cameras turned by up to 3 degrees a policy
# cannot locate a small object: one degree is 2 cm at the distance of the head camera.
MAX_SHIFT_M = 0.01
MAX_TURN_RAD = float(np.deg2rad(1.0))
MAX_LIGHT_CHANGE = 0.4
MAX_COLOUR_CHANGE = 0.15
MAX_OBJECT_COLOUR = 0.5
MAX_OBJECT_TEXTURE = 0.5
MAX_TABLE_CHANGE = 0.4
MAX_PHYSICS_RATIO = 1.25


def sample_variation(scale: float, rng: np.random.Generator) -> Variation:
    """Return a variation for domain randomisation.

    Args:
        scale: Size of the ranges; 0 for the nominal cell.
        rng: Random generator.
    """

    def about_one(change: float) -> float:
        return 1.0 + scale * float(rng.uniform(-change, change))

    def ratio() -> float:
        return float(MAX_PHYSICS_RATIO ** (scale * rng.uniform(-1.0, 1.0)))

    red, green, blue = (about_one(MAX_COLOUR_CHANGE) for _ in range(3))
    return Variation(
        camera_shift_m=scale * float(rng.uniform(0.0, MAX_SHIFT_M)),
        camera_turn_rad=scale * float(rng.uniform(0.0, MAX_TURN_RAD)),
        light_ratio=about_one(MAX_LIGHT_CHANGE),
        light_colour=(red, green, blue),
        object_colour=scale * float(rng.uniform(0.0, MAX_OBJECT_COLOUR)),
        table_ratio=about_one(MAX_TABLE_CHANGE),
        friction_ratio=ratio(),
        mass_ratio=ratio(),
        stiffness_ratio=ratio(),
        object_texture=scale * float(rng.uniform(0.0, MAX_OBJECT_TEXTURE)),
    )


class SceneModifier:
    """Changes a scene from its nominal state. Not thread-safe."""

    def __init__(self, model: mujoco.MjModel, objects: Sequence[str]) -> None:
        """Store the nominal state.

        Args:
            model: Compiled scene, in its nominal state.
            objects: Names of the bodies of the task's objects.
        """
        self._model = model
        self._cameras = [model.camera(name).id for name in CAMERAS]
        self._bodies = [model.body(name).id for name in objects]
        geoms = np.flatnonzero(np.isin(model.geom_bodyid, self._bodies))
        striped = np.array([model.geom(geom).name.startswith(PREFIX) for geom in geoms], bool)
        self._geoms, self._stripes = geoms[~striped], geoms[striped]
        self._table = model.material(TABLE_MATERIAL).id
        arms = [model.actuator(k).name for k in range(model.nu)]
        self._servos = [k for k, name in enumerate(arms) if "gripper" not in name]
        head = model.vis.headlight
        self._lights = (model.light_diffuse, model.light_ambient, head.diffuse, head.ambient)
        self._nominal = {
            name: np.array(getattr(model, name))
            for name in (
                "cam_pos",
                "cam_quat",
                "geom_rgba",
                "mat_rgba",
                "geom_friction",
                "body_mass",
                "body_inertia",
                "actuator_gainprm",
                "actuator_biasprm",
            )
        }
        self._nominal_lights = [np.array(light) for light in self._lights]

    def apply(self, variation: Variation, rng: np.random.Generator) -> None:
        """Set a variation of the nominal state; reset the data afterwards.

        Args:
            variation: Sizes of the changes.
            rng: Random directions and colours.
        """
        model, nominal = self._model, self._nominal
        for name, value in nominal.items():
            getattr(model, name)[:] = value
        self._move_cameras(variation, rng)
        for light, value in zip(self._lights, self._nominal_lights, strict=True):
            light[:] = value * variation.light_ratio * np.array(variation.light_colour)
        self._colour(self._geoms, variation.object_colour, rng)
        self._colour(self._stripes, variation.object_texture, rng)
        model.geom_group[self._stripes] = SHOWN_GROUP if variation.object_texture else HIDDEN_GROUP
        table = nominal["mat_rgba"][self._table, :3]
        model.mat_rgba[self._table, :3] = np.minimum(1.0, variation.table_ratio * table)
        model.geom_friction[:, 0] *= variation.friction_ratio
        model.body_mass[self._bodies] *= variation.mass_ratio
        model.body_inertia[self._bodies] *= variation.mass_ratio
        self._set_stiffness(variation.stiffness_ratio)
        extent, centre = model.stat.extent, np.array(model.stat.center)
        mujoco.mj_setConst(model, mujoco.MjData(model))
        # The scene sets the size that scales the clipping planes; it is not that of its geoms.
        model.stat.extent, model.stat.center[:] = extent, centre

    def _move_cameras(self, variation: Variation, rng: np.random.Generator) -> None:
        for camera in self._cameras:
            shift = variation.camera_shift_m * unit_vector(rng)
            turn = np.empty(4)
            mujoco.mju_axisAngle2Quat(turn, unit_vector(rng), variation.camera_turn_rad)
            self._model.cam_pos[camera] += shift
            quat = self._nominal["cam_quat"][camera]
            mujoco.mju_mulQuat(self._model.cam_quat[camera], quat, turn)

    def _colour(self, geoms: NDArray[np.int64], share: float, rng: np.random.Generator) -> None:
        """Mix a random colour into the colours of geoms, the same in all parts of an object."""
        for body in self._bodies:
            colour = rng.uniform(0.0, 1.0, 3)
            for geom in geoms[self._model.geom_bodyid[geoms] == body]:
                nominal = self._nominal["geom_rgba"][geom, :3]
                self._model.geom_rgba[geom, :3] = (1 - share) * nominal + share * colour

    def _set_stiffness(self, ratio: float) -> None:
        """Scale the servo stiffness, with the same damping ratio."""
        gain, bias = self._model.actuator_gainprm, self._model.actuator_biasprm
        gain[self._servos, POSITION_GAIN] *= ratio
        bias[self._servos, POSITION_BIAS] *= ratio
        bias[self._servos, VELOCITY_BIAS] *= np.sqrt(ratio)


def unit_vector(rng: np.random.Generator) -> Array:
    """Return a random direction. Shape (3,)."""
    vector = rng.standard_normal(3)
    direction: Array = vector / np.linalg.norm(vector)
    return direction
