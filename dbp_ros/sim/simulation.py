"""Physics of the dual UR5e cell with one task."""

import mujoco
import numpy as np

from dbp_ros.random_streams import RandomStream
from dbp_ros.settings.dual_ur5e import DUAL_UR5E, DUAL_UR5E_JOINTS
from dbp_ros.sim.arm_simulation import ArmSimulation
from dbp_ros.sim.scene import cell_spec
from dbp_ros.sim.stripes import add_stripes
from dbp_ros.sim.tasks.registry import make_task
from dbp_ros.sim.tasks.task_object import object_state_names, object_states
from dbp_ros.sim.variation import SceneModifier, Variation
from dbp_ros.types import Array, seconds_to_ns

SUCCESS_DURATION_S = 0.5
RESET_NOISE_RAD = 0.03


class Simulation(ArmSimulation):
    """Two UR5e with grippers and one task.

    The property `object_states` is thread-safe, too.

    Attributes:
        task: The task.
        object_state_names: Names of the columns of `object_states`.
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
        self.object_state_names = object_state_names(self.task.objects)
        super().__init__(scene, DUAL_UR5E_JOINTS, DUAL_UR5E.home_positions)
        self.time_limit_s = self.task.time_limit_s
        self._modifier = SceneModifier(self.model, bodies)
        self.reset(0)

    @property
    def task_name(self) -> str:
        """Name of the task."""
        return self.task.name

    def vary(self, variation: Variation, seed: int) -> None:
        """Set a variation of the nominal cell; call `reset` afterwards.

        Args:
            variation: Sizes of the changes.
            seed: Seed of random directions and colours.
        """
        with self._lock:
            self._modifier.apply(variation, RandomStream.VARIATION.generator(seed))

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

    def _start_positions(self, rng: np.random.Generator) -> Array:
        start = self.home.copy()
        arms = np.array(["gripper" not in name for name in self.joint_names])
        start[arms] += rng.uniform(-RESET_NOISE_RAD, RESET_NOISE_RAD, int(arms.sum()))
        return start

    def _reset_scene(self, rng: np.random.Generator) -> None:
        self.task.reset(self.model, self.data, rng)
        self._solved_steps = 0

    def _count_steps(self, steps: int) -> None:
        solved = self.task.success(self.model, self.data)
        self._solved_steps = self._solved_steps + steps if solved else 0

    def _set_joints(self, positions: Array) -> None:
        for name, position in zip(self.joint_names, positions, strict=True):
            side, joint = name.split("_", 1)
            if joint == "gripper_joint":
                for finger in ("finger_1", "finger_2"):
                    self.data.joint(f"{side}_{finger}").qpos[0] = position / 2
            else:
                self.data.joint(name).qpos[0] = position


def set_qpos(model: mujoco.MjModel, data: mujoco.MjData, qpos: Array) -> None:
    """Set `qpos` and update what a renderer reads. Shape (nq,)."""
    data.qpos[:] = qpos
    mujoco.mj_kinematics(model, data)
    mujoco.mj_camlight(model, data)
