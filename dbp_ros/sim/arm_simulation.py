"""Physics of arms with joint commands as input and joint positions as output."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from dbp_ros.errors import CommandError
from dbp_ros.random_streams import RandomStream
from dbp_ros.sim.object_shapes import ObjectShape, object_geoms, object_shapes
from dbp_ros.types import Array, seconds_to_ns

# Name of the task of a simulation without one.
NO_TASK = "none"


class ArmSimulation(ABC):
    """Arms whose joints are position servos.

    One thread calls `command`, `advance` and `reset`. The properties `qpos`, `positions`,
    `velocities` and `objects` are thread-safe.

    Attributes:
        spec: The scene, to be edited and compiled for another simulator.
        model: The scene, compiled. Do not write to it.
        data: The state. Only for the thread that calls `advance`.
        joint_names: Names of the columns of every joint vector.
        step_ns: Length of a physics step.
        time_limit_s: Time limit of an episode, which the caller enforces.
        home: Initial position in [rad] and [m]. Shape (nu,).
    """

    time_limit_s: float

    def __init__(
        self, spec: mujoco.MjSpec, joint_names: Sequence[str], home: Sequence[float]
    ) -> None:
        """Prepare the state; call `reset` before the first step.

        Args:
            spec: The scene, with an actuator of the name of each joint.
            joint_names: Commanded joints.
            home: Initial position of each joint.
        """
        self.spec = spec
        self.model = model = spec.compile()
        self.data = mujoco.MjData(model)
        self.joint_names = tuple(joint_names)
        self.step_ns = seconds_to_ns(model.opt.timestep)
        self.home = np.array(home, dtype=np.float64)
        self._actuators = np.array([model.actuator(name).id for name in joint_names])
        self._object_geoms = object_geoms(model)
        self._lock = threading.Lock()
        self._steps = 0

    @property
    @abstractmethod
    def task_name(self) -> str:
        """Name of the task; `none` without one."""

    @property
    @abstractmethod
    def reward(self) -> float:
        """Reward of the current state."""

    @property
    @abstractmethod
    def terminated(self) -> bool:
        """Whether the task is solved."""

    @abstractmethod
    def _start_positions(self, rng: np.random.Generator) -> Array:
        """Return the positions of the joints at the start of an episode. Shape (nu,)."""

    @abstractmethod
    def _set_joints(self, positions: Array) -> None:
        """Set `qpos` of the joints. Shape (nu,)."""

    @abstractmethod
    def _reset_scene(self, rng: np.random.Generator) -> None:
        """Reset everything but the joints."""

    @abstractmethod
    def _count_steps(self, steps: int) -> None:
        """Evaluate the state after some steps."""

    def reset(self, seed: int) -> None:
        """Start an episode; all randomness comes from the seed."""
        rng = RandomStream.SCENE.generator(seed)
        start = self._start_positions(rng)
        with self._lock:
            mujoco.mj_resetData(self.model, self.data)
            self._set_joints(start)
            self.data.ctrl[self._actuators] = start
            self._reset_scene(rng)
            mujoco.mj_forward(self.model, self.data)
            self._steps = 0

    def command(self, positions: ArrayLike) -> None:
        """Set the targets of the position servos until the next command.

        Args:
            positions: Absolute positions in [rad], gripper openings in [m]. Shape (nu,).

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
            self._count_steps(steps)

    @property
    def time_ns(self) -> int:
        """Simulation time since the reset, in [ns]."""
        return self._steps * self.step_ns

    @property
    def positions(self) -> Array:
        """Joint positions in [rad], gripper openings in [m]. A copy of shape (nu,)."""
        with self._lock:
            lengths: Array = self.data.actuator_length[self._actuators]
        return lengths

    @property
    def velocities(self) -> Array:
        """Joint velocities in [rad/s] and [m/s]. A copy of shape (nu,)."""
        with self._lock:
            speeds: Array = self.data.actuator_velocity[self._actuators]
        return speeds

    @property
    def objects(self) -> list[ObjectShape]:
        """Shapes of the objects in the scene, see `object_shapes`."""
        with self._lock:
            return object_shapes(self.model, self.data, self._object_geoms)

    @property
    def qpos(self) -> Array:
        """MuJoCo's generalised positions. A copy of shape (nq,)."""
        with self._lock:
            qpos: Array = self.data.qpos.copy()
        return qpos
