"""A task of our cell with states for eyes, and nothing but success as its reward."""

import numpy as np

from dbp_ros.config import DUAL_UR5E_JOINTS
from dbp_ros.contract import Array, Floats
from dbp_ros.sim.environment import CONTROL_HZ, Environment
from dbp_ros.sim.gyms.world import Moment
from dbp_ros.sim.simulation import Simulation


class CellWorld:
    """Two arms at one task: a reward of one and the end once it is solved for half a second."""

    action_names = DUAL_UR5E_JOINTS
    step_s = 1 / CONTROL_HZ

    def __init__(self, task: str) -> None:
        """Compose the cell.

        Raises:
            ConfigError: If there is no such task.
        """
        self._simulation = Simulation(task)
        self._environment = Environment(self._simulation)
        self.state_names = (*DUAL_UR5E_JOINTS, *self._simulation.thing_names)

    def reset(self, seed: int) -> Floats:
        """Start the episode of a seed; see `World.reset`."""
        self._environment.reset(seed)
        return self._state()

    def step(self, action: Array) -> Moment:
        """Command positions in [rad] and [m] for one control step; see `World.step`."""
        self._environment.step(action)
        solved = self._simulation.terminated
        return Moment(self._state(), float(solved), solved, self._environment.truncated, solved)

    def close(self) -> None:
        """Hold nothing that needs it."""

    def _state(self) -> Floats:
        seen = np.concatenate([self._simulation.positions, self._simulation.things])
        return seen.astype(np.float32)
