"""Waypoints to grasp, carry and release from above, as pure functions of the state."""

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
GRASP_TOLERANCE_M = 0.003
RELEASE_MARGIN_M = 0.012
# Fingers that close on a box at a larger angle hold it by two edges.
MAX_CLOSING_ANGLE_RAD = 0.4
# At a larger angle the fingers would hit the object from above.
MAX_DESCENT_ANGLE_RAD = 0.6
WITHDRAWAL_M = 0.15
CLOSED_M = 0.0


@dataclass(frozen=True)
class Grip:
    """Grasp pose on an object at its current pose.

    Attributes:
        point: Position of the tool centre in the world. Shape (3,).
        rotation: Orientation of the tool in the world. Shape (3, 3).
        width_m: Width of the object between the fingers.
        slope: Slope of the approach, steeper for an object that nearly fills the opening.
    """

    point: Array
    rotation: Array
    width_m: float
    slope: float = FUNNEL_SLOPE


def is_grasping(model: mujoco.MjModel, data: mujoco.MjData, side: str, grip: Grip) -> bool:
    """Return whether the fingers of an arm have closed on the object."""
    gap = opening(model, data, side)
    offset = grip.point - data.site(f"{side}_tcp").xpos
    return between_fingers(offset, gap) and gap < grip.width_m + GRASP_TOLERANCE_M


def grasp(model: mujoco.MjModel, data: mujoco.MjData, side: str, grip: Grip) -> Waypoint:
    """Return the waypoint of an arm that does not hold the object yet: approach, or close."""
    site = data.site(f"{side}_tcp")
    tool = site.xpos
    angle = angle_between(site.xmat.reshape(3, 3), grip.rotation)
    closes = between_fingers(grip.point - tool, opening(model, data, side))
    if closes and angle < MAX_CLOSING_ANGLE_RAD:
        return Waypoint(grip.point.copy(), grip.rotation, CLOSED_M, CRUISE_M_S)
    point = approach(grip.point, tool, grip.slope)
    if angle > MAX_DESCENT_ANGLE_RAD:
        point[2] = max(point[2], grip.point[2] + CLEARANCE_M)
    return Waypoint(point, grip.rotation, GRIPPER_STROKE_M, CRUISE_M_S)


def carry(data: mujoco.MjData, side: str, body: str, target: Array, rotation: Array) -> Waypoint:
    """Return the waypoint of an arm that carries a body to `target`.

    Args:
        data: State.
        side: The arm.
        body: The grasped body.
        target: Position of the body's centre, approached from above. Shape (3,).
        rotation: Orientation of the tool. Shape (3, 3).
    """
    centre = data.body(body).xpos
    tool_offset = data.site(f"{side}_tcp").xpos - centre
    return Waypoint(approach(target, centre) + tool_offset, rotation, CLOSED_M, CRUISE_M_S)


def release(model: mujoco.MjModel, data: mujoco.MjData, side: str, grip: Grip) -> Waypoint:
    """Return the waypoint of an arm that opens its fingers in place, then withdraws upwards."""
    point = data.site(f"{side}_tcp").xpos.copy()
    released_m = min(grip.width_m + RELEASE_MARGIN_M, GRIPPER_STROKE_M - RELEASE_MARGIN_M / 2)
    if opening(model, data, side) > released_m:
        point[2] = grip.point[2] + WITHDRAWAL_M
    return Waypoint(point, grip.rotation, GRIPPER_STROKE_M, CRUISE_M_S)


def angle_between(first: Array, second: Array) -> float:
    """Return the angle of the rotation from one orientation to another, in [rad]."""
    return float(np.arccos(np.clip((np.trace(first.T @ second) - 1) / 2, -1.0, 1.0)))


def between_fingers(offset: Array, gap: float) -> bool:
    """Return whether closing fingers will hold the object.

    Closing fingers push the object, so the tolerance is larger once they have begun to close:
    otherwise they would open again.
    """
    closing = gap < GRIPPER_STROKE_M - 0.006
    tolerance = 0.015 if closing else 0.007
    return bool(np.hypot(offset[0], offset[1]) < tolerance and abs(offset[2]) < tolerance)


def approach(target: Array, tool: Array, slope: float = FUNNEL_SLOPE) -> Array:
    """Return the next point of the approach: horizontally at a height, then down a funnel."""
    distance = float(np.hypot(*(target - tool)[:2]))
    height = np.clip((distance - FUNNEL_M) * slope, 0.0, CLEARANCE_M)
    point: Array = target + np.array((0.0, 0.0, height))
    if tool[2] < point[2] - 0.03:
        # Too low next to the object: move up first, or the fingers would push it away.
        point[:2] = tool[:2]
    return point
