"""Interface of a task: objects, initial state, success, reward, and waypoints of the expert."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import mujoco
import numpy as np

from dbp_ros.sim.tasks.task_object import TaskObject
from dbp_ros.types import Array

DOWN = np.array(((0.0, -1.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, -1.0)))


@dataclass(frozen=True)
class Waypoint:
    """Target pose of one arm.

    Attributes:
        position: Of the tool centre in the world, in [m]. Shape (3,).
        rotation: Of the tool in the world. Shape (3, 3).
        opening_m: Of the gripper.
        speed_m_s: Maximum speed of the tool centre.
    """

    position: Array
    rotation: Array
    opening_m: float
    speed_m_s: float


class Task(Protocol):
    """Interface of tasks; success, reward and waypoints depend on the simulation state only.

    Attributes:
        name: Name on the command line.
        modes: Names of the strategies of the expert.
        time_limit_s: Duration after which an episode is truncated.
        objects: Objects whose states, with the positions of the arms, determine the waypoints.
    """

    name: ClassVar[str]
    modes: ClassVar[tuple[str, ...]]
    time_limit_s: ClassVar[float]
    objects: ClassVar[tuple[TaskObject, ...]]

    def build(self, scene: mujoco.MjSpec) -> None:
        """Add the objects of the task to the cell."""

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        """Place the objects at random; the arms are near home."""

    def variant(self, data: mujoco.MjData) -> str:
        """Return which variant of the scene a reset has chosen; empty if there is only one."""

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        """Return whether the task is solved in this state."""

    def reward(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        """Return the reward of this state."""

    def waypoints(
        self, model: mujoco.MjModel, data: mujoco.MjData, mode: str
    ) -> Mapping[str, Waypoint]:
        """Return the next waypoint of each arm in use, a pure function of the state.

        An arm without a waypoint stays at home. The expert must not pause in an unsolved state: a
        cloned policy would stop there.

        Args:
            model: Scene.
            data: State, after `mj_forward`.
            mode: One of `modes`.
        """


def pointing_down(yaw_rad: float) -> Array:
    """Return the orientation of a tool that points down, rotated about the vertical.

    At zero the fingers slide along y. Shape (3, 3).
    """
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    rotation = np.array(((c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0)))
    return np.asarray(rotation @ DOWN)


def aligned_yaw(box: Array, tool: Array) -> float:
    """Return the yaw of `pointing_down` that aligns a tool with a box, nearest to its present yaw.

    A box has four such yaws. The one nearest to zero is ambiguous in the images of a wrist camera:
    beyond 45 degrees between tool and box, the sides look as if turned to the other side.

    Args:
        box: Orientation of the box in the world. Shape (3, 3).
        tool: Orientation of the tool in the world. Shape (3, 3).
    """
    turned = tool @ DOWN.T
    yaw, tool_yaw = (float(np.arctan2(r[1, 0], r[0, 0])) for r in (box, turned))
    return yaw - np.pi / 2 * round((yaw - tool_yaw) / (np.pi / 2))


def place(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    body: str,
    x: float,
    y: float,
    z: float,
    yaw_rad: float,
) -> None:
    """Set the pose of a free body, at rest.

    Args:
        model: Scene.
        data: State to change.
        body: Name of the body.
        x: Position in the world in [m].
        y: The same.
        z: The same.
        yaw_rad: Rotation about the vertical.
    """
    joint = model.body(body).jntadr[0]
    start, speed = model.jnt_qposadr[joint], model.jnt_dofadr[joint]
    data.qpos[start : start + 7] = x, y, z, np.cos(yaw_rad / 2), 0, 0, np.sin(yaw_rad / 2)
    data.qvel[speed : speed + 6] = 0


def opening(model: mujoco.MjModel, data: mujoco.MjData, side: str) -> float:
    """Return the opening of a gripper in [m]."""
    return float(data.tendon(f"{side}_gripper_joint").length[0])
