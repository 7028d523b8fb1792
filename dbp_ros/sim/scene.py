"""MJCF scene of the dual UR5e cell."""

from importlib import resources

import mujoco
import numpy as np

from dbp_ros.settings.dual_ur5e import DUAL_UR5E, SIDES

ASSETS = resources.files("dbp_ros.sim") / "assets"
GRIPPER_STROKE_M = 0.085
# Collision bits: an arm collides with objects, fingers (bit 1) and the other arm, not with itself.
ARM_BITS = {"left": (2, 5), "right": (4, 3)}
HOME = np.array(DUAL_UR5E.home_positions)


def load_spec(name: str) -> mujoco.MjSpec:
    """Load an MJCF file of this package."""
    return mujoco.MjSpec.from_string((ASSETS / f"{name}.xml").read_text())


def arm_spec() -> mujoco.MjSpec:
    """Return a UR5e with a gripper."""
    spec = load_spec("ur5e")
    spec.attach(load_spec("gripper"), site="flange", prefix="")
    return spec


def cell_spec() -> mujoco.MjSpec:
    """Return the cell with both arms, without the objects of a task."""
    spec = load_spec("cell")
    for side in SIDES:
        spec.attach(arm_spec(), site=f"{side}_mount", prefix=f"{side}_")
    for side, (contype, conaffinity) in ARM_BITS.items():
        for geom in spec.geoms:
            if geom.parent.name.startswith(f"{side}_") and geom.contype == 2:
                geom.contype, geom.conaffinity = contype, conaffinity
    return spec
