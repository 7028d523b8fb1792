"""What a task is: things on the table, where they start, when it is solved, how it is solved."""

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
    """Where one arm should go from here.

    Attributes:
        position: Wanted position of the tool centre in [m], in the world. Shape (3,).
        rotation: Wanted orientation of the tool in the world. Shape (3, 3).
        opening_m: Wanted opening of the gripper in [m].
        speed_m_s: Highest speed of the tool centre.
    """

    position: Array
    rotation: Array
    opening_m: float
    speed_m_s: float


class Task(Protocol):
    """A task, stateless: everything it decides follows from the state of the scene.

    Attributes:
        name: On the command line.
        modes: Names of the ways of solving it.
        time_limit_s: When an unsolved episode ends.
        things: Whose poses, with those of the arms, say all that its expert looks at.
    """

    name: ClassVar[str]
    modes: ClassVar[tuple[str, ...]]
    time_limit_s: ClassVar[float]
    things: ClassVar[tuple[TaskObject, ...]]

    def build(self, scene: mujoco.MjSpec) -> None:
        """Add the task's things to the cell."""

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        """Place the things at random. The arms are at home, near enough."""

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        """Return whether the task is solved in this state."""

    def reward(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        """Return the reward of this state."""

    def goals(
        self, model: mujoco.MjModel, data: mujoco.MjData, mode: str
    ) -> Mapping[str, Waypoint]:
        """Return where each arm in use should go from this state: a pure function of it.

        An arm that is not named holds its home. There must be no state of rest before the task
        is solved: a policy cloned from a demonstrator that waits learns to wait for ever.

        Args:
            model: Scene.
            data: State, after `mj_forward`.
            mode: One of `modes`.
        """


def pointing_down(yaw_rad: float) -> Array:
    """Return the orientation of a tool that points down, turned about the vertical.

    At zero the fingers slide along y. Shape (3, 3).
    """
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    turn = np.array(((c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0)))
    rotation: Array = turn @ DOWN
    return rotation


def yaw_of(rotation: Array) -> float:
    """Return the turn about the vertical of a box, in [rad], nearest to zero by its symmetry."""
    yaw = np.arctan2(rotation[1, 0], rotation[0, 0])
    return float((yaw + np.pi / 4) % (np.pi / 2) - np.pi / 4)


def place(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    body: str,
    x: float,
    y: float,
    z: float,
    yaw_rad: float,
) -> None:
    """Put a free body somewhere, at rest."""
    joint = model.body(body).jntadr[0]
    start, speed = model.jnt_qposadr[joint], model.jnt_dofadr[joint]
    data.qpos[start : start + 7] = x, y, z, np.cos(yaw_rad / 2), 0, 0, np.sin(yaw_rad / 2)
    data.qvel[speed : speed + 6] = 0


def opening(model: mujoco.MjModel, data: mujoco.MjData, side: str) -> float:
    """Return the measured opening of a gripper in [m]."""
    return float(data.tendon(f"{side}_gripper_joint").length[0])
