"""Scripted demonstrator: inverse kinematics of a task's waypoints.

The command is a function of the state alone, without a clock or phases, so it can be cloned.
"""

from collections.abc import Mapping

import mink
import numpy as np

from dbp_ros.errors import ConfigError
from dbp_ros.settings.robot import ARM_JOINTS, SIDES
from dbp_ros.sim.scene import GRIPPER_STROKE_M, cell
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.task import Waypoint
from dbp_ros.types import Array

# Delay of a servo (45 ms) plus one control step (33 ms).
LEAD_S = 0.075
APPROACH_HZ = 6.0
SLOWEST_M_S = 0.03
TURN_RAD_S = 1.5
JOINT_RAD_S = 1.8
FINGERS_M_S = 0.15
ARM = len(ARM_JOINTS)


def limited_advance(distance: float, fastest: float, slowest: float) -> float:
    """Return the advance in `LEAD_S` at a speed proportional to the distance, within limits."""
    return min(distance, LEAD_S * float(np.clip(APPROACH_HZ * distance, slowest, fastest)))


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
        model = cell().compile()
        self._configuration = mink.Configuration(model)
        self._joints = {
            side: np.array([model.joint(f"{side}_{joint}").qposadr[0] for joint in ARM_JOINTS])
            for side in SIDES
        }
        self._tools = {
            side: mink.FrameTask(f"{side}_tcp", "site", position_cost=1.0, orientation_cost=0.3)
            for side in SIDES
        }
        self._posture = mink.PostureTask(model, cost=1e-3)
        self._limits = [
            mink.ConfigurationLimit(model),
            mink.VelocityLimit(
                model,
                {f"{side}_{joint}": JOINT_RAD_S for side in SIDES for joint in ARM_JOINTS},
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
            if side not in waypoints:
                continue
            start = index * (ARM + 1)
            command[start : start + ARM] = arms[side]
            opening, advance = measured[start + ARM], FINGERS_M_S * LEAD_S
            opening += np.clip(waypoints[side].opening_m - opening, -advance, advance)
            command[start + ARM] = np.clip(opening, 0.0, GRIPPER_STROKE_M)
        return command

    def _solve(self, measured: Array, waypoints: Mapping[str, Waypoint]) -> dict[str, Array]:
        """Return joint positions of each arm, one advance towards its waypoint."""
        configuration = self._configuration
        q = configuration.q.copy()
        home = q.copy()
        for index, side in enumerate(SIDES):
            arm = slice(index * (ARM + 1), index * (ARM + 1) + ARM)
            q[self._joints[side]] = measured[arm]
            home[self._joints[side]] = self._simulation.home[arm]
        configuration.update(q)
        self._posture.set_target(home)
        tasks: list[mink.Task] = [self._posture]
        for side, waypoint in waypoints.items():
            self._tools[side].set_target(self._target(side, waypoint))
            tasks.append(self._tools[side])
        velocity = mink.solve_ik(
            configuration, tasks, LEAD_S, "daqp", damping=1e-4, limits=self._limits
        )
        reached = configuration.integrate(velocity, LEAD_S)
        return {side: reached[self._joints[side]] for side in SIDES}

    def _target(self, side: str, waypoint: Waypoint) -> mink.SE3:
        """Return the pose after one advance towards a waypoint."""
        here = self._configuration.get_transform_frame_to_world(f"{side}_tcp", "site")
        offset = waypoint.position - here.translation()
        distance = float(np.linalg.norm(offset))
        fraction = limited_advance(distance, waypoint.speed_m_s, SLOWEST_M_S) / max(distance, 1e-9)
        turn = (here.rotation().inverse() @ mink.SO3.from_matrix(waypoint.rotation)).log()
        angle = float(np.linalg.norm(turn))
        turn *= limited_advance(angle, TURN_RAD_S, 0.1) / max(angle, 1e-9)
        return mink.SE3.from_rotation_and_translation(
            here.rotation() @ mink.SO3.exp(turn), here.translation() + fraction * offset
        )
