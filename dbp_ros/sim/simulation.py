"""The cell as a robot: joint positions out, joint commands in, time in steps."""

import threading
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from dbp_ros.errors import CommandError
from dbp_ros.settings.robot import DUAL_UR5E_JOINTS
from dbp_ros.sim.scene import HOME, cell
from dbp_ros.sim.tasks.registry import make_task
from dbp_ros.sim.tasks.task_object import names_of, states_of
from dbp_ros.types import Array, seconds_to_ns

SUSTAINED_S = 0.5
HOME_SPREAD_RAD = 0.03


@dataclass(frozen=True)
class Snapshot:
    """The state of the scene at one instant, safe to hand to another thread.

    Attributes:
        qpos: MuJoCo's positions of everything. Shape (nq,).
        time_ns: Since the reset.
    """

    qpos: Array
    time_ns: int


def pose(model: mujoco.MjModel, data: mujoco.MjData, snapshot: Snapshot) -> None:
    """Bring a `MjData` of your own to a snapshot, far enough for a camera rig to draw it."""
    data.qpos[:] = snapshot.qpos
    mujoco.mj_kinematics(model, data)
    mujoco.mj_camlight(model, data)


class Simulation:
    """Two UR5e with grippers, at one task.

    One thread commands, advances and resets; `snapshot`, `positions`, `velocities` and
    `object_states` may be called from any thread.

    Attributes:
        task: The task.
        model: The scene. Do not write to it.
        data: The state. Only for the thread that advances.
        joint_names: Names of the columns of every joint vector.
        object_state_names: Names of the columns of `object_states`.
        step_ns: Length of a physics step.
        time_limit_s: What the task gives; who drives the loop ends the episode.
        home: Where the arms start, grippers open. Shape (14,).
    """

    def __init__(self, task: str) -> None:
        """Compose the cell and the task, and reset with seed 0.

        Raises:
            ConfigError: If there is no such task.
        """
        self.task = make_task(task)
        scene = cell()
        self.task.build(scene)
        self.model = scene.compile()
        self.data = mujoco.MjData(self.model)
        self.joint_names = DUAL_UR5E_JOINTS
        self.object_state_names = names_of(self.task.things)
        self.step_ns = seconds_to_ns(self.model.opt.timestep)
        self.time_limit_s = self.task.time_limit_s
        self.home = HOME.copy()
        self._actuators = np.array([self.model.actuator(name).id for name in self.joint_names])
        self._lock = threading.Lock()
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Start again: arms near home, holding there, and the task's things placed by `seed`."""
        rng = np.random.default_rng(seed)
        start = self.home.copy()
        arms = np.array(["gripper" not in name for name in self.joint_names])
        start[arms] += rng.uniform(-HOME_SPREAD_RAD, HOME_SPREAD_RAD, int(arms.sum()))
        with self._lock:
            mujoco.mj_resetData(self.model, self.data)
            self._set_joints(start)
            self.data.ctrl[self._actuators] = start
            self.task.reset(self.model, self.data, rng)
            mujoco.mj_forward(self.model, self.data)
            self._steps = 0
            self._solved_steps = 0

    def command(self, positions: ArrayLike) -> None:
        """Set the targets of the servos; they hold until the next command.

        Args:
            positions: Absolute positions in [rad], grippers' openings in [m]. Shape (14,).

        Raises:
            CommandError: If the shape is wrong or a number is not finite.
        """
        target = np.asarray(positions, float)
        if target.shape != self.home.shape:
            raise CommandError(f"expected {len(self.home)} joint positions, got {target.shape}")
        if not np.isfinite(target).all():
            joint = self.joint_names[int(np.argwhere(~np.isfinite(target))[0][0])]
            raise CommandError(f"the command of {joint} is not finite: send a number in [rad]")
        with self._lock:
            self.data.ctrl[self._actuators] = target

    def advance(self, steps: int) -> None:
        """Run the physics for some steps of `step_ns`."""
        with self._lock:
            mujoco.mj_step(self.model, self.data, steps)
            self._steps += steps
            solved = self.task.success(self.model, self.data)
            self._solved_steps = self._solved_steps + steps if solved else 0

    @property
    def time_ns(self) -> int:
        """Time since the reset."""
        return self._steps * self.step_ns

    @property
    def positions(self) -> Array:
        """Measured joint positions in [rad], openings in [m]. A copy of shape (14,)."""
        with self._lock:
            lengths: Array = self.data.actuator_length[self._actuators]
        return lengths

    @property
    def velocities(self) -> Array:
        """Measured joint speeds in [rad/s] and [m/s]. A copy of shape (14,)."""
        with self._lock:
            speeds: Array = self.data.actuator_velocity[self._actuators]
        return speeds

    @property
    def object_states(self) -> Array:
        """States of the task's objects, see `TaskObject.state`. A copy of shape (nt,)."""
        with self._lock:
            return states_of(self.task.things, self.data)

    @property
    def success(self) -> bool:
        """Whether the task is solved at this instant."""
        return self._solved_steps > 0

    @property
    def reward(self) -> float:
        """What the task pays for this instant."""
        with self._lock:
            return self.task.reward(self.model, self.data)

    @property
    def terminated(self) -> bool:
        """Whether the task has been solved for half a second on end."""
        return self._solved_steps * self.step_ns >= seconds_to_ns(SUSTAINED_S)

    def snapshot(self) -> Snapshot:
        """Return the state for `pose`, to draw it in another thread."""
        with self._lock:
            return Snapshot(self.data.qpos.copy(), self.time_ns)

    def _set_joints(self, positions: Array) -> None:
        for name, position in zip(self.joint_names, positions, strict=True):
            side, joint = name.split("_", 1)
            if joint == "gripper_joint":
                for finger in ("finger_1", "finger_2"):
                    self.data.joint(f"{side}_{finger}").qpos[0] = position / 2
            else:
                self.data.joint(name).qpos[0] = position
