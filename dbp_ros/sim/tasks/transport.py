"""Task: hand a bar from one arm to the other, which puts it into the bin."""

from collections.abc import Mapping
from typing import ClassVar

import mujoco
import numpy as np

from dbp_ros.sim.scene import GRIPPER_STROKE_M
from dbp_ros.sim.tasks.bin import Bin, touched_by_arm
from dbp_ros.sim.tasks.grasp import CLOSED_M, CRUISE_M_S, Grip, carry, grasp, is_grasping, release
from dbp_ros.sim.tasks.task import Waypoint, place, pointing_down
from dbp_ros.sim.tasks.task_object import TaskObject
from dbp_ros.types import Array

BAR_M = (0.24, 0.036, 0.036)
END_M = 0.085
ABOVE_M = 0.004
YAW_RAD = 0.3
BIN = Bin(length_m=0.18, width_m=0.32, height_m=0.06)
BIN_ZONE_M = ((-0.03, 0.29), (0.03, 0.33))
BAR_ZONE_M = ((-0.08, 0.14), (0.06, 0.20))
OUTWARDS = {"left": 1.0, "right": -1.0}
OTHER = {"left": "right", "right": "left"}
HANDOVER = np.array((-0.04, 0.0, 0.26))
HANDOVER_TOLERANCE_M = 0.02
HANDOVER_TOLERANCE_RAD = 0.15
CLEAR_M = 0.07
RETREAT = {side: np.array((-0.06, 0.30 * out, 0.30)) for side, out in OUTWARDS.items()}


class Transport:
    """Task of handing a bar from the giver to the receiver, which puts it into the bin.

    The receiver is the arm on the side of the bin.
    """

    name: ClassVar[str] = "transport"
    modes: ClassVar[tuple[str, ...]] = ("handover",)
    time_limit_s: ClassVar[float] = 20.0
    objects: ClassVar[tuple[TaskObject, ...]] = (TaskObject("bar", 2), TaskObject("bin", 2))

    def build(self, scene: mujoco.MjSpec) -> None:
        """Add the bin and the bar as free bodies."""
        BIN.build(scene, 0.0, -0.3).add_freejoint()
        bar = scene.worldbody.add_body(name="bar", pos=[0, 0.15, BAR_M[2] / 2])
        bar.add_freejoint()
        bar.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[side / 2 for side in BAR_M],
            mass=0.12,
            rgba=[0.93, 0.75, 0.20, 1],
            condim=4,
            friction=[1.0, 0.02, 0.001],
        )
        bar.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[0.018, BAR_M[1] / 2 + 0.0005, BAR_M[2] / 2 + 0.0005],
            mass=0,
            rgba=[0.25, 0.26, 0.30, 1],
            contype=0,
            conaffinity=0,
        )

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        """Place the bin on one side and the bar on the other, roughly along y."""
        giver = rng.choice(("left", "right"))
        out = OUTWARDS[giver]
        (x, y), yaw = rng.uniform(*BAR_ZONE_M), np.pi / 2 + rng.uniform(-YAW_RAD, YAW_RAD)
        place(model, data, "bar", x, out * y, BAR_M[2] / 2, yaw)
        x, y = rng.uniform(*BIN_ZONE_M)
        place(model, data, "bin", x, -out * y, 0.0, 0.0)

    def variant(self, data: mujoco.MjData) -> str:
        """Return the side of the giver."""
        return OTHER[receiver_of(data)]

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        """Return whether the bar is in the bin and no arm touches it."""
        return BIN.contains(data, "bar", BAR_M[2] / 2) and not touched_by_arm(model, data, "bar")

    def reward(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        """Return one if solved, else zero."""
        return float(self.success(model, data))

    def waypoints(
        self, model: mujoco.MjModel, data: mujoco.MjData, mode: str
    ) -> Mapping[str, Waypoint]:
        """Return the waypoints of the current phase, a function of the state.

        The phases are pick up, move to the handover, grasp, release, withdraw, put down. The
        receiver closes before the giver opens, and moves once the giver is clear of the bar.
        """
        receiver = receiver_of(data)
        giver = OTHER[receiver]
        giver_grip, receiver_grip = end_grip(data, giver), end_grip(data, receiver)
        if BIN.contains(data, "bar", BAR_M[2] / 2):
            return {giver: retreat(giver), receiver: release(model, data, receiver, receiver_grip)}
        if is_grasping(model, data, receiver, receiver_grip):
            if is_clear(data, giver, giver_grip):
                target = BIN.rest_position(data, BAR_M[2] / 2)
                carried = carry(data, receiver, "bar", target, tool_along_y(receiver))
                return {giver: retreat(giver), receiver: carried}
            return {giver: release(model, data, giver, giver_grip), receiver: hold(receiver)}
        if not is_grasping(model, data, giver, giver_grip):
            return {giver: grasp(model, data, giver, giver_grip), receiver: retreat(receiver)}
        if at_handover(data):
            return {giver: hold(giver), receiver: grasp(model, data, receiver, receiver_grip)}
        return {
            giver: carry(data, giver, "bar", HANDOVER, tool_along_y(giver)),
            receiver: retreat(receiver),
        }


def receiver_of(data: mujoco.MjData) -> str:
    """Return the arm that puts the bar into the bin."""
    return "left" if data.body("bin").xpos[1] > 0 else "right"


def tool_along_y(side: str) -> Array:
    """Return the orientation of a tool on a bar along y, with its camera outwards."""
    return pointing_down(-OUTWARDS[side] * np.pi / 2)


def end_grip(data: mujoco.MjData, side: str) -> Grip:
    """Return the grip of an arm on the end of the bar on its side, from above."""
    bar = data.body("bar")
    along: Array = bar.xmat.reshape(3, 3)[:, 0]
    along = along * np.sign(along[1]) * OUTWARDS[side]
    yaw = float(np.arctan2(-along[1], -along[0]))
    point = bar.xpos + END_M * along + np.array((0.0, 0.0, ABOVE_M))
    return Grip(point, pointing_down(yaw), BAR_M[1])


def at_handover(data: mujoco.MjData) -> bool:
    """Return whether the bar is at the handover, along y."""
    bar = data.body("bar")
    along = bar.xmat.reshape(3, 3)[:, 0]
    near = np.linalg.norm(bar.xpos - HANDOVER) < HANDOVER_TOLERANCE_M
    return bool(near and np.arccos(min(1.0, abs(along[1]))) < HANDOVER_TOLERANCE_RAD)


def is_clear(data: mujoco.MjData, side: str, grip: Grip) -> bool:
    """Return whether an arm is clear of the bar."""
    return bool(np.linalg.norm(data.site(f"{side}_tcp").xpos - grip.point) > CLEAR_M)


def hold(side: str) -> Waypoint:
    """Return the waypoint of an arm that holds its end of the bar at the handover."""
    point = HANDOVER + np.array((0.0, END_M * OUTWARDS[side], ABOVE_M))
    return Waypoint(point, tool_along_y(side), CLOSED_M, CRUISE_M_S)


def retreat(side: str) -> Waypoint:
    """Return the waypoint of an arm outside of the workspace of the other."""
    return Waypoint(RETREAT[side], tool_along_y(side), GRIPPER_STROKE_M, CRUISE_M_S)
