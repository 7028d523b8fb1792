"""Grasping from above and putting down, as functions of the state: no clock, no memory."""

from dataclasses import dataclass

import mujoco
import numpy as np

from dbp_ros.sim.scene import GRIPPER_STROKE_M
from dbp_ros.sim.tasks.task import Waypoint, opening
from dbp_ros.types import Array

CRUISE_M_S = 0.35
CLEARANCE_M = 0.09
FUNNEL_M = 0.006
FUNNEL_SLOPE = 3.0
GRIP_M = 0.003
LOOSE_M = 0.012
TURNED_RAD = 0.6
WITHDRAWN_M = 0.15
CLOSED_M = 0.0


@dataclass(frozen=True)
class Grip:
    """How a thing is to be held, where it is now.

    Attributes:
        point: Where the tool centre belongs, in the world. Shape (3,).
        rotation: The tool's orientation, in the world. Shape (3, 3).
        width_m: How wide the thing is between the fingers.
        slope: How steeply the fingers come down on it; a thing that nearly fills the opening
            needs more than one that does not.
    """

    point: Array
    rotation: Array
    width_m: float
    slope: float = FUNNEL_SLOPE


def holds(model: mujoco.MjModel, data: mujoco.MjData, side: str, grip: Grip) -> bool:
    """Return whether the fingers of an arm have closed on the thing."""
    gap = opening(model, data, side)
    offset = grip.point - data.site(f"{side}_tcp").xpos
    return between_fingers(offset, gap) and gap < grip.width_m + GRIP_M


def grasp(model: mujoco.MjModel, data: mujoco.MjData, side: str, grip: Grip) -> Waypoint:
    """Return the goal of an arm that does not hold the thing yet: go there, or close."""
    site = data.site(f"{side}_tcp")
    tool = site.xpos
    if between_fingers(grip.point - tool, opening(model, data, side)):
        return Waypoint(grip.point.copy(), grip.rotation, CLOSED_M, CRUISE_M_S)
    point = approach(grip.point, tool, grip.slope)
    if angle_between(site.xmat.reshape(3, 3), grip.rotation) > TURNED_RAD:
        # Turn first, or the fingers would come down on the thing.
        point[2] = max(point[2], grip.point[2] + CLEARANCE_M)
    return Waypoint(point, grip.rotation, GRIPPER_STROKE_M, CRUISE_M_S)


def carry(data: mujoco.MjData, side: str, body: str, target: Array, rotation: Array) -> Waypoint:
    """Return the goal of an arm that holds a body and brings its centre to `target`.

    Args:
        data: State.
        side: The arm.
        body: What it holds.
        target: Where the body's centre should be, from above. Shape (3,).
        rotation: The tool's orientation. Shape (3, 3).
    """
    thing = data.body(body).xpos
    held = data.site(f"{side}_tcp").xpos - thing
    return Waypoint(approach(target, thing) + held, rotation, CLOSED_M, CRUISE_M_S)


def let_go(model: mujoco.MjModel, data: mujoco.MjData, side: str, grip: Grip) -> Waypoint:
    """Return the goal of an arm that opens its fingers where they are, then withdraws upwards."""
    goal = data.site(f"{side}_tcp").xpos.copy()
    if opening(model, data, side) > min(grip.width_m + LOOSE_M, GRIPPER_STROKE_M - LOOSE_M / 2):
        goal[2] = grip.point[2] + WITHDRAWN_M
    return Waypoint(goal, grip.rotation, GRIPPER_STROKE_M, CRUISE_M_S)


def angle_between(first: Array, second: Array) -> float:
    """Return the angle of the turn from one orientation to another, in [rad]."""
    return float(np.arccos(np.clip((np.trace(first.T @ second) - 1) / 2, -1.0, 1.0)))


def between_fingers(offset: Array, gap: float) -> bool:
    """Return whether the thing is where closing fingers will hold it.

    Once the fingers have begun to close they push the thing about, so the test becomes wider as
    they do: otherwise they would open again.
    """
    begun = gap < GRIPPER_STROKE_M - 0.006
    reach = 0.015 if begun else 0.007
    return bool(np.hypot(offset[0], offset[1]) < reach and abs(offset[2]) < reach)


def approach(thing: Array, tool: Array, slope: float = FUNNEL_SLOPE) -> Array:
    """Return the next point on the way: across at a height, then down a funnel."""
    away = float(np.hypot(*(thing - tool)[:2]))
    height = np.clip((away - FUNNEL_M) * slope, 0.0, CLEARANCE_M)
    goal: Array = thing + np.array((0.0, 0.0, height))
    if tool[2] < goal[2] - 0.03:
        # Low and beside the thing: up first, or the fingers would sweep it away.
        goal[:2] = tool[:2]
    return goal
