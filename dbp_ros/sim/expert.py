"""A scripted demonstrator: a task's goals, turned into joint commands.

It is a function of the measured state alone: asked at any rate, from any state, its answer moves
on. That is what makes it worth cloning.
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

# A servo follows about 45 ms behind its command; a command for 33 ms ahead leads by both.
LEAD_S = 0.075
APPROACH_HZ = 6.0
SLOWEST_M_S = 0.03
TURN_RAD_S = 1.5
JOINT_RAD_S = 1.8
FINGERS_M_S = 0.15
ARM = len(ARM_JOINTS)


def paced(gap: float, fastest: float, slowest: float) -> float:
    """Return how far to go now of what is left: speed by distance, capped, never past it."""
    return min(gap, LEAD_S * float(np.clip(APPROACH_HZ * gap, slowest, fastest)))


class Expert:
    """Drives both arms at one task, in one of its modes."""

    def __init__(self, simulation: Simulation, mode: str) -> None:
        """Prepare the inverse kinematics of both arms in one configuration.

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
        """Return what to command one control step from now. Shape (14,)."""
        simulation = self._simulation
        measured = simulation.positions
        goals = simulation.task.goals(simulation.model, simulation.data, self.mode)
        arms = self._reach(measured, goals)
        command = simulation.home.copy()
        for index, side in enumerate(SIDES):
            if side not in goals:
                continue
            start = index * (ARM + 1)
            command[start : start + ARM] = arms[side]
            opening, stride = measured[start + ARM], FINGERS_M_S * LEAD_S
            opening += np.clip(goals[side].opening_m - opening, -stride, stride)
            command[start + ARM] = np.clip(opening, 0.0, GRIPPER_STROKE_M)
        return command

    def _reach(self, measured: Array, goals: Mapping[str, Waypoint]) -> dict[str, Array]:
        """Return joint positions a little further towards each goal."""
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
        for side, goal in goals.items():
            self._tools[side].set_target(self._waypoint(side, goal))
            tasks.append(self._tools[side])
        velocity = mink.solve_ik(
            configuration, tasks, LEAD_S, "daqp", damping=1e-4, limits=self._limits
        )
        reached = configuration.integrate(velocity, LEAD_S)
        return {side: reached[self._joints[side]] for side in SIDES}

    def _waypoint(self, side: str, goal: Waypoint) -> mink.SE3:
        """Return a pose near enough to be reached after the lead."""
        here = self._configuration.get_transform_frame_to_world(f"{side}_tcp", "site")
        away = goal.position - here.translation()
        distance = float(np.linalg.norm(away))
        share = paced(distance, goal.speed_m_s, SLOWEST_M_S) / max(distance, 1e-9)
        turn = (here.rotation().inverse() @ mink.SO3.from_matrix(goal.rotation)).log()
        angle = float(np.linalg.norm(turn))
        turn *= paced(angle, TURN_RAD_S, 0.1) / max(angle, 1e-9)
        return mink.SE3.from_rotation_and_translation(
            here.rotation() @ mink.SO3.exp(turn), here.translation() + share * away
        )


def make_expert(simulation: Simulation, mode: str, rng: np.random.Generator) -> Expert:
    """Return the demonstrator of a simulation's task in one mode.

    Args:
        simulation: What it looks at.
        mode: One of the task's modes.
        rng: For experts that draw their style; this one does not.

    Raises:
        ConfigError: If the task has no such mode.
    """
    del rng
    return Expert(simulation, mode)
