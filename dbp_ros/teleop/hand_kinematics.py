"""Inverse kinematics of the hands of a robot, by mink on the model of its URDF."""

from collections.abc import Mapping

import mink
import mujoco
import numpy as np

from dbp_ros.errors import ConfigError
from dbp_ros.robots.urdf import Urdf
from dbp_ros.settings.robot import RobotDescription
from dbp_ros.sim.robot_simulation import robot_scene
from dbp_ros.types import Array

POSITION_COST, ORIENTATION_COST = 1.0, 0.3
# The posture of an arm with more joints than a hand has motions stays near its start.
POSTURE_COST = 1e-3
DAMPING = 1e-4
SOLVER = "daqp"


class HandKinematics:
    """Poses of the hands, and joint velocities that move them.

    A hand is the link `tip` of an arm, in the frame of the root link. Joints that are no joints of
    an arm do not move a hand. Not thread-safe.

    Attributes:
        failures: Number of steps without a solution.
    """

    def __init__(self, robot: RobotDescription, urdf: Urdf, max_velocity: Array, dt: float) -> None:
        """Compile the model.

        Args:
            robot: Description of the robot, with its position limits.
            urdf: Its URDF.
            max_velocity: Velocity limits, in the order of the joints of the robot. Shape (nu,).
            dt: Duration of a step, in [s].

        Raises:
            ConfigError: If a hand is moved by a gripper, or by a joint that mimics another one.
        """
        self.failures = 0
        self._positions: Array | None = None
        self._dt = dt
        self._columns = {
            name: np.array([robot.joints.index(joint) for joint in arm.joints])
            for name, arm in robot.arms.items()
        }
        self._tips = {name: arm.tip for name, arm in robot.arms.items()}
        moving = [joint for arm in robot.arms.values() for joint in arm.joints]
        _require_arm_joints(robot, urdf, moving)
        model = _arm_model(robot, urdf, moving)
        self._arm_columns = np.array([robot.joints.index(joint) for joint in moving])
        self._addresses = np.array([int(model.joint(joint).qposadr[0]) for joint in moving])
        self._lower, self._upper = model.jnt_range[self._addresses].T
        self._configuration = mink.Configuration(model)
        self._tasks = {
            name: mink.FrameTask(arm.tip, "body", POSITION_COST, ORIENTATION_COST)
            for name, arm in robot.arms.items()
        }
        self._posture = mink.PostureTask(model, cost=POSTURE_COST)
        self._posture_q = self._configuration.q.copy()
        speeds = {joint: max_velocity[robot.joints.index(joint)] for joint in moving}
        self._limits = [mink.ConfigurationLimit(model), mink.VelocityLimit(model, speeds)]

    def poses(self, positions: Array) -> dict[str, Array]:
        """Return the pose of each hand, a homogeneous transformation of shape (4, 4).

        Args:
            positions: Positions in [rad] and [m], not changed later. Shape (nu,).
        """
        self._set(positions)
        return {
            arm: self._configuration.get_transform_frame_to_world(tip, "body").as_matrix()
            for arm, tip in self._tips.items()
        }

    def set_posture(self, arm: str, positions: Array) -> None:
        """Prefer the posture of an arm at some positions. Shape (nu,)."""
        chosen = np.isin(self._arm_columns, self._columns[arm])
        self._posture_q[self._addresses[chosen]] = positions[self._arm_columns[chosen]]

    def velocities(self, positions: Array, targets: Mapping[str, Array]) -> Array:
        """Return joint velocities of one step, within the position and velocity limits.

        Args:
            positions: Present positions in [rad] and [m]. Shape (nu,).
            targets: Pose of a hand at the end of the step, by arm. Shapes (4, 4).

        Returns:
            Velocities in [rad/s] and [m/s], zero for other arms. Shape (nu,).
        """
        found = np.zeros(len(positions))
        if not targets:
            return found
        self._set(positions)
        self._posture.set_target(self._posture_q)
        for arm, pose in targets.items():
            self._tasks[arm].set_target(mink.SE3.from_matrix(pose))
        tasks = [*(self._tasks[arm] for arm in targets), self._posture]
        try:
            velocity = mink.solve_ik(
                self._configuration, tasks, self._dt, SOLVER, damping=DAMPING, limits=self._limits
            )
        except mink.NoSolutionFound:
            self.failures += 1
            return found
        found[self._arm_columns] = velocity[self._addresses]
        still = [columns for arm, columns in self._columns.items() if arm not in targets]
        found[np.concatenate(still) if still else []] = 0.0
        return found

    def _set(self, positions: Array) -> None:
        if positions is self._positions:
            return
        self._positions = positions
        q = self._configuration.q.copy()
        # The solver has no solution from beyond the limits.
        q[self._addresses] = np.clip(positions[self._arm_columns], self._lower, self._upper)
        self._configuration.update(q)


def _require_arm_joints(robot: RobotDescription, urdf: Urdf, moving: list[str]) -> None:
    """Raise `ConfigError` if a commanded joint between root and hand is not one of an arm."""
    for name, arm in robot.arms.items():
        for joint in urdf.chain(urdf.root, arm.tip):
            followed = joint.mimic.joint if joint.mimic else joint.name
            if joint.moves and joint.name not in moving and followed in robot.joints:
                raise ConfigError(
                    f"{joint.name} moves {arm.tip}, the tip of the arm {name}, but is not one of "
                    "its joints: choose a tip before the gripper, or add the joint to the arm"
                )


def _arm_model(robot: RobotDescription, urdf: Urdf, moving: list[str]) -> mujoco.MjModel:
    """Return a model in which only the joints of arms move, within the described limits."""
    spec = robot_scene(robot, urdf)
    for unused in (*spec.actuators, *spec.equalities):
        spec.delete(unused)
    for joint in list(spec.joints):
        if joint.name not in moving:
            spec.delete(joint)
            continue
        limits = robot.joint_limits[joint.name]
        joint.limited = mujoco.mjtLimited.mjLIMITED_TRUE
        joint.range = [limits.min_position, limits.max_position]
    return spec.compile()
