"""Scripted demonstrator: inverse kinematics of a task's waypoints.

The command is a function of the state alone, without a clock or phases, so it can be cloned.
"""

from collections.abc import Mapping

import mink
import numpy as np

from dbp_ros.errors import ConfigError
from dbp_ros.settings.dual_ur5e import ARM_JOINTS, SIDES
from dbp_ros.sim.scene import GRIPPER_STROKE_M, cell_spec
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.task import Waypoint
from dbp_ros.types import Array

# Look-ahead: delay of a servo (45 ms) plus one control step (33 ms).
LOOKAHEAD_S = 0.075
APPROACH_GAIN_HZ = 6.0
MIN_TOOL_SPEED_M_S = 0.03
TOOL_SPEED_RAD_S = 1.5
JOINT_SPEED_RAD_S = 1.8
GRIPPER_SPEED_M_S = 0.15
NUM_ARM_JOINTS = len(ARM_JOINTS)


def limited_displacement(distance: float, max_speed: float, min_speed: float) -> float:
    """Return the displacement in `LOOKAHEAD_S` at a clipped speed proportional to the distance."""
    speed = np.clip(APPROACH_GAIN_HZ * distance, min_speed, max_speed)
    return min(distance, LOOKAHEAD_S * float(speed))


class Expert:
    """Demonstrator of one task in one of its modes, with both arms."""

    def __init__(self, simulation: Simulation, mode: str) -> None:
        """Prepare the inverse kinematics of both arms.

        Raises:
            ConfigError: If the task has no such mode.
        """
        if mode not in simulation.task.modes:
            raise ConfigError(
                f"task {simulation.task.name} has no mode '{mode}': "
                f"use one of {', '.join(simulation.task.modes)}"
            )
        self.mode = mode
        self._simulation = simulation
        model = cell_spec().compile()
        self._configuration = mink.Configuration(model)
        self._joints = {
            side: np.array([model.joint(f"{side}_{joint}").qposadr[0] for joint in ARM_JOINTS])
            for side in SIDES
        }
        self._tool_tasks = {
            side: mink.FrameTask(f"{side}_tcp", "site", position_cost=1.0, orientation_cost=0.3)
            for side in SIDES
        }
        self._posture = mink.PostureTask(model, cost=1e-3)
        self._limits = [
            mink.ConfigurationLimit(model),
            mink.VelocityLimit(
                model,
                {f"{side}_{joint}": JOINT_SPEED_RAD_S for side in SIDES for joint in ARM_JOINTS},
            ),
        ]

    def command(self) -> Array:
        """Return the command for the end of the next control step. Shape (14,)."""
        simulation = self._simulation
        measured = simulation.positions
        waypoints = simulation.task.waypoints(simulation.model, simulation.data, self.mode)
        arms = self._solve(measured, waypoints)
        command = simulation.home.copy()
        for index, side in enumerate(SIDES):
            start = index * (NUM_ARM_JOINTS + 1)
            if side not in waypoints:
                # At home already, unless a policy has moved it.
                arm, step = slice(start, start + NUM_ARM_JOINTS), JOINT_SPEED_RAD_S * LOOKAHEAD_S
                command[arm] = np.clip(command[arm], measured[arm] - step, measured[arm] + step)
                continue
            command[start : start + NUM_ARM_JOINTS] = arms[side]
            opening, advance = measured[start + NUM_ARM_JOINTS], GRIPPER_SPEED_M_S * LOOKAHEAD_S
            opening += np.clip(waypoints[side].opening_m - opening, -advance, advance)
            command[start + NUM_ARM_JOINTS] = np.clip(opening, 0.0, GRIPPER_STROKE_M)
        return command

    def _solve(self, measured: Array, waypoints: Mapping[str, Waypoint]) -> dict[str, Array]:
        """Return the joint positions of each arm after `LOOKAHEAD_S` towards its waypoint."""
        configuration = self._configuration
        q = configuration.q.copy()
        home = q.copy()
        for index, side in enumerate(SIDES):
            arm = slice(index * (NUM_ARM_JOINTS + 1), index * (NUM_ARM_JOINTS + 1) + NUM_ARM_JOINTS)
            q[self._joints[side]] = measured[arm]
            home[self._joints[side]] = self._simulation.home[arm]
        configuration.update(q)
        self._posture.set_target(home)
        tasks: list[mink.Task] = [self._posture]
        for side, waypoint in waypoints.items():
            self._tool_tasks[side].set_target(self._target(side, waypoint))
            tasks.append(self._tool_tasks[side])
        velocity = mink.solve_ik(
            configuration, tasks, LOOKAHEAD_S, "daqp", damping=1e-4, limits=self._limits
        )
        reached = configuration.integrate(velocity, LOOKAHEAD_S)
        return {side: reached[self._joints[side]] for side in SIDES}

    def _target(self, side: str, waypoint: Waypoint) -> mink.SE3:
        """Return the tool pose after `LOOKAHEAD_S` towards a waypoint."""
        pose = self._configuration.get_transform_frame_to_world(f"{side}_tcp", "site")
        offset = waypoint.position - pose.translation()
        distance = float(np.linalg.norm(offset))
        displacement = limited_displacement(distance, waypoint.speed_m_s, MIN_TOOL_SPEED_M_S)
        fraction = displacement / max(distance, 1e-9)
        rotation = (pose.rotation().inverse() @ mink.SO3.from_matrix(waypoint.rotation)).log()
        angle = float(np.linalg.norm(rotation))
        rotation *= limited_displacement(angle, TOOL_SPEED_RAD_S, 0.1) / max(angle, 1e-9)
        return mink.SE3.from_rotation_and_translation(
            pose.rotation() @ mink.SO3.exp(rotation), pose.translation() + fraction * offset
        )
