"""Grasping from above as a function of the state: no clock, no memory, no waiting."""

import mujoco
import numpy as np

from dbp_ros.contract import Array
from dbp_ros.sim.scene import GRIPPER_STROKE_M
from dbp_ros.sim.tasks.task import Goal, opening, pointing_down, yaw_of

CRUISE_M_S = 0.35
CLEARANCE_M = 0.09
FUNNEL_M = 0.006
FUNNEL_SLOPE = 3.0
GRIP_M = 0.003
CLOSED_M = 0.0


def grasp_and_lift(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    side: str,
    body: str,
    width_m: float,
    height_m: float,
) -> Goal:
    """Return the goal of an arm that grasps a box-like body from above and lifts it.

    Args:
        model: Scene.
        data: State.
        side: The arm.
        body: What to grasp.
        width_m: How wide it is between the fingers.
        height_m: Height to which its centre is lifted.
    """
    thing = data.body(body)
    tool = data.site(f"{side}_tcp").xpos
    rotation = pointing_down(yaw_of(thing.xmat.reshape(3, 3)))
    offset = thing.xpos - tool
    gap = opening(model, data, side)
    if between_fingers(offset, gap, width_m):
        if gap < width_m + GRIP_M:
            above = np.array((thing.xpos[0], thing.xpos[1], height_m))
            return Goal(above, rotation, CLOSED_M, CRUISE_M_S)
        return Goal(thing.xpos.copy(), rotation, CLOSED_M, CRUISE_M_S)
    return Goal(approach(thing.xpos, tool), rotation, GRIPPER_STROKE_M, CRUISE_M_S)


def between_fingers(offset: Array, gap: float, width_m: float) -> bool:
    """Return whether the thing is where closing fingers will hold it.

    Once the fingers have begun to close they push the thing about, so the test becomes wider as
    they do: otherwise they would open again.
    """
    begun = gap < GRIPPER_STROKE_M - 0.006
    reach = 0.015 if begun else 0.007
    return bool(np.hypot(offset[0], offset[1]) < reach and abs(offset[2]) < reach)


def approach(thing: Array, tool: Array) -> Array:
    """Return the next point on the way: across at a height, then down a funnel."""
    away = float(np.hypot(*(thing - tool)[:2]))
    height = np.clip((away - FUNNEL_M) * FUNNEL_SLOPE, 0.0, CLEARANCE_M)
    goal: Array = thing + np.array((0.0, 0.0, height))
    if tool[2] < goal[2] - 0.03:
        # Low and beside the thing: up first, or the fingers would sweep it away.
        goal[:2] = tool[:2]
    return goal
