"""Physics of the cell with joint commands as input and joint positions as output."""

import threading

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from dbp_ros.errors import CommandError
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS
from dbp_ros.sim.scene import HOME, cell_spec
from dbp_ros.sim.stripes import add_stripes
from dbp_ros.sim.tasks.registry import make_task
from dbp_ros.sim.tasks.task_object import object_state_names, object_states
from dbp_ros.sim.variation import SceneModifier, Variation
from dbp_ros.types import Array, seconds_to_ns

SUCCESS_DURATION_S = 0.5
RESET_NOISE_RAD = 0.03
# Random numbers of a variation are independent of those of the reset.
VARIATION_STREAM = 2


def set_qpos(model: mujoco.MjModel, data: mujoco.MjData, qpos: Array) -> None:
    """Set `qpos` and update what a renderer reads. Shape (nq,)."""
    data.qpos[:] = qpos
    mujoco.mj_kinematics(model, data)
    mujoco.mj_camlight(model, data)


class Simulation:
    """Two UR5e with grippers and one task.

    One thread calls `command`, `advance` and `reset`. The properties `qpos`, `positions`,
    `velocities` and `object_states` are thread-safe.

    Attributes:
        task: The task.
        model: The scene. Do not write to it; `vary` does.
        data: The state. Only for the thread that calls `advance`.
        joint_names: Names of the columns of every joint vector.
        object_state_names: Names of the columns of `object_states`.
        step_ns: Length of a physics step.
        time_limit_s: Time limit of the task, which the caller enforces.
        home: Initial position, grippers open. Shape (14,).
    """

    def __init__(self, task: str) -> None:
        """Compose the cell and the task, and reset with seed 0.

        Raises:
            ConfigError: If there is no such task.
        """
        self.task = make_task(task)
        scene = cell_spec()
        self.task.build(scene)
        bodies = [item.body for item in self.task.objects]
        add_stripes(scene, bodies)
        self.model = scene.compile()
        self.data = mujoco.MjData(self.model)
        self.joint_names = DUAL_UR5E_JOINTS
        self.object_state_names = object_state_names(self.task.objects)
        self.step_ns = seconds_to_ns(self.model.opt.timestep)
        self.time_limit_s = self.task.time_limit_s
        self.home = HOME.copy()
        self._actuators = np.array([self.model.actuator(name).id for name in self.joint_names])
        self._modifier = SceneModifier(self.model, bodies)
        self._lock = threading.Lock()
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Reset the arms near home and the objects of the task at random."""
        rng = np.random.default_rng(seed)
        start = self.home.copy()
        arms = np.array(["gripper" not in name for name in self.joint_names])
        start[arms] += rng.uniform(-RESET_NOISE_RAD, RESET_NOISE_RAD, int(arms.sum()))
        with self._lock:
            mujoco.mj_resetData(self.model, self.data)
            self._set_joints(start)
            self.data.ctrl[self._actuators] = start
            self.task.reset(self.model, self.data, rng)
            mujoco.mj_forward(self.model, self.data)
            self._steps = 0
            self._solved_steps = 0

    def vary(self, variation: Variation, seed: int) -> None:
        """Set a variation of the nominal cell; call `reset` afterwards.

        Args:
            variation: Sizes of the changes.
            seed: Seed of random directions and colours.
        """
        with self._lock:
            self._modifier.apply(variation, np.random.default_rng((seed, VARIATION_STREAM)))

    def command(self, positions: ArrayLike) -> None:
        """Set the targets of the position servos until the next command.

        Args:
            positions: Absolute positions in [rad], gripper openings in [m]. Shape (14,).

        Raises:
            CommandError: If the shape is wrong or a number is not finite.
        """
        target = np.asarray(positions, float)
        if target.shape != self.home.shape:
            raise CommandError(f"expected {len(self.home)} joint positions, got {target.shape}")
        if not np.isfinite(target).all():
            joint = self.joint_names[int(np.argwhere(~np.isfinite(target))[0][0])]
            raise CommandError(f"the command of {joint} is not finite: check the sender")
        with self._lock:
            self.data.ctrl[self._actuators] = target

    def advance(self, steps: int) -> None:
        """Run the physics for a number of steps."""
        with self._lock:
            mujoco.mj_step(self.model, self.data, steps)
            self._steps += steps
            solved = self.task.success(self.model, self.data)
            self._solved_steps = self._solved_steps + steps if solved else 0

    @property
    def time_ns(self) -> int:
        """Simulation time since the reset, in [ns]."""
        return self._steps * self.step_ns

    @property
    def positions(self) -> Array:
        """Joint positions in [rad], gripper openings in [m]. A copy of shape (14,)."""
        with self._lock:
            lengths: Array = self.data.actuator_length[self._actuators]
        return lengths

    @property
    def velocities(self) -> Array:
        """Joint velocities in [rad/s] and [m/s]. A copy of shape (14,)."""
        with self._lock:
            speeds: Array = self.data.actuator_velocity[self._actuators]
        return speeds

    @property
    def object_states(self) -> Array:
        """States of the task's objects, see `TaskObject.state`. A copy of shape (nt,)."""
        with self._lock:
            return object_states(self.task.objects, self.data)

    @property
    def success(self) -> bool:
        """Whether the task is solved at this instant."""
        return self._solved_steps > 0

    @property
    def reward(self) -> float:
        """Reward of the current state."""
        with self._lock:
            return self.task.reward(self.model, self.data)

    @property
    def terminated(self) -> bool:
        """Whether the task has been solved for `SUCCESS_DURATION_S`."""
        return self._solved_steps * self.step_ns >= seconds_to_ns(SUCCESS_DURATION_S)

    @property
    def qpos(self) -> Array:
        """MuJoCo's generalised positions. A copy of shape (nq,)."""
        with self._lock:
            qpos: Array = self.data.qpos.copy()
        return qpos

    def _set_joints(self, positions: Array) -> None:
        for name, position in zip(self.joint_names, positions, strict=True):
            side, joint = name.split("_", 1)
            if joint == "gripper_joint":
                for finger in ("finger_1", "finger_2"):
                    self.data.joint(f"{side}_{finger}").qpos[0] = position / 2
            else:
                self.data.joint(name).qpos[0] = position
