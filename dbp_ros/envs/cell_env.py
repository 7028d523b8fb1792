"""Environment of the simulated cell with a sparse reward."""

import atexit
from functools import cache

import numpy as np

from dbp_ros.envs.env import CameraView, Env, StepResult
from dbp_ros.errors import ConfigError
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS
from dbp_ros.sim.camera import CameraRig, camera_names, open_cameras
from dbp_ros.sim.control_loop import CONTROL_HZ, ControlLoop
from dbp_ros.sim.simulation import Simulation
from dbp_ros.types import Array, Floats, Image


class CellEnv(Env):
    """Environment of one task; reward 1 and termination if it is solved for half a second."""

    action_names = DUAL_UR5E_JOINTS

    def __init__(self, task: str, view: CameraView | None = None) -> None:
        """Compose the cell.

        Args:
            task: Its name.
            view: Observations; None for all states at the rate of the demonstrations, no images.

        Raises:
            ConfigError: If the task, a state or a camera does not exist.
        """
        self._task, self._simulation = task, Simulation(task)
        known = (*DUAL_UR5E_JOINTS, *self._simulation.object_state_names)
        view = view or CameraView(known, {}, 1 / CONTROL_HZ)
        for kind, selected, available in (
            ("state", view.state_names, known),
            ("camera", view.cameras, camera_names(self._simulation.model)),
        ):
            if unknown := [name for name in selected if name not in available]:
                raise ConfigError(
                    f"cell/{task} has no {kind} {', '.join(unknown)}: it has {', '.join(available)}"
                )
        if len(set(view.cameras.values())) > 1:
            raise ConfigError(f"images have the sizes {view.cameras}, expected equal sizes")
        self.state_names, self.cameras = view.state_names, tuple(view.cameras)
        self.step_s = view.step_s
        self._columns = [known.index(name) for name in view.state_names]
        self._size = next(iter(view.cameras.values()), (0, 0))
        self._loop = ControlLoop(self._simulation, 1 / view.step_s)

    def reset(self, seed: int) -> Floats:
        """Start the episode of a seed; see `Env.reset`."""
        self._loop.reset(seed)
        return self._state()

    def step(self, action: Array) -> StepResult:
        """Command positions in [rad] and [m] for one control step; see `Env.step`."""
        self._loop.step(action)
        solved = self._simulation.terminated
        return StepResult(self._state(), float(solved), solved, self._loop.truncated, solved)

    def render(self) -> dict[str, Image]:
        """Return the current images; see `Env.render`."""
        if not self.cameras:
            return {}
        cameras = shared_cameras(self._task, self.cameras, *self._size)
        return cameras.render_qpos(self._simulation.qpos)

    def _state(self) -> Floats:
        state = np.concatenate([self._simulation.positions, self._simulation.object_states])
        return state.astype(np.float32)[self._columns]


@cache
def shared_cameras(task: str, names: tuple[str, ...], height: int, width: int) -> CameraRig:
    """Return the cameras shared by all environments of a task: an OpenGL scene is large.

    Use them only in the thread of the first call. They stay open until the process ends.

    Raises:
        ConfigError: If there is no such camera.
    """
    cameras = open_cameras(Simulation(task).model, names, height, width)
    # Close before OpenGL is unloaded.
    atexit.register(cameras.close)
    return cameras
