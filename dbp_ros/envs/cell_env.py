"""A task of our cell, with nothing but success as its reward."""

import atexit
from functools import cache

import numpy as np

from dbp_ros.envs.env import CameraView, Env, StepResult
from dbp_ros.errors import ConfigError
from dbp_ros.settings.robot import DUAL_UR5E_JOINTS
from dbp_ros.sim.camera import CameraRig, camera_names, open_cameras
from dbp_ros.sim.control_loop import CONTROL_HZ, ControlLoop
from dbp_ros.sim.simulation import Simulation
from dbp_ros.types import Array, Floats, Image


class CellEnv(Env):
    """Two arms at one task: a reward of one and the end once it is solved for half a second."""

    action_names = DUAL_UR5E_JOINTS

    def __init__(self, task: str, view: CameraView | None = None) -> None:
        """Compose the cell.

        Args:
            task: Its name.
            view: What to show; None for all states at the pace of the demonstrations, no pictures.

        Raises:
            ConfigError: If there is no such task, or it has none of what is to be shown.
        """
        self._task, self._simulation = task, Simulation(task)
        known = (*DUAL_UR5E_JOINTS, *self._simulation.thing_names)
        view = view or CameraView(known, {}, 1 / CONTROL_HZ)
        for what, asked, there in (
            ("state", view.state_names, known),
            ("camera", view.cameras, camera_names(self._simulation.model)),
        ):
            if unknown := [name for name in asked if name not in there]:
                raise ConfigError(
                    f"cell/{task} has no {what} {', '.join(unknown)}: it has {', '.join(there)}"
                )
        if len(set(view.cameras.values())) > 1:
            raise ConfigError(
                f"pictures have the sizes {view.cameras}: those of a cell are all alike"
            )
        self.state_names, self.cameras = view.state_names, tuple(view.cameras)
        self.step_s = view.step_s
        self._columns = [known.index(name) for name in view.state_names]
        self._size = next(iter(view.cameras.values()), (0, 0))
        self._environment = ControlLoop(self._simulation, 1 / view.step_s)

    def reset(self, seed: int) -> Floats:
        """Start the episode of a seed; see `Env.reset`."""
        self._environment.reset(seed)
        return self._state()

    def step(self, action: Array) -> StepResult:
        """Command positions in [rad] and [m] for one control step; see `Env.step`."""
        self._environment.step(action)
        solved = self._simulation.terminated
        return StepResult(self._state(), float(solved), solved, self._environment.truncated, solved)

    def look(self) -> dict[str, Image]:
        """Return what each camera sees now; see `Env.look`."""
        if not self.cameras:
            return {}
        return shared_cameras(self._task, self.cameras, *self._size).look(
            self._simulation.snapshot()
        )

    def _state(self) -> Floats:
        seen = np.concatenate([self._simulation.positions, self._simulation.things])
        return seen.astype(np.float32)[self._columns]


@cache
def shared_cameras(task: str, names: tuple[str, ...], height: int, width: int) -> CameraRig:
    """Return the cameras of all worlds of a task in this process: a scene in OpenGL is large.

    They belong to the thread that first looks through them, and stay open until the process ends.

    Raises:
        ConfigError: If there is no such camera.
    """
    cameras = open_cameras(Simulation(task).model, names, height, width)
    # While OpenGL is still there to let go of them.
    atexit.register(cameras.close)
    return cameras
