"""The control loop around a simulation, without ROS: step, interpolate, look."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dbp_ros.settings.robot import ARM_JOINTS, SIDES
from dbp_ros.sim.camera import CameraRig
from dbp_ros.sim.expert import make_expert
from dbp_ros.sim.simulation import Simulation
from dbp_ros.types import NS_PER_S, Array, Floats, Image

CONTROL_HZ = 30
GUARD_STEPS = 2
NOISE_TIME_S = 0.3


class ControlLoop:
    """Runs a simulation one control step at a time.

    Between two control steps the command goes linearly from the last one to the new one, in
    steps of 4 ms, as the motion guard does on the robot.
    """

    def __init__(self, simulation: Simulation, control_hz: float = CONTROL_HZ) -> None:
        """Take over a simulation, for so many control steps a second; `reset` before the first."""
        self.simulation = simulation
        self._control_hz = control_hz
        self._command = simulation.positions
        self._ticks = 0

    def reset(self, seed: int) -> None:
        """Start an episode."""
        self.simulation.reset(seed)
        self._command = self.simulation.positions
        self._ticks = 0

    def step(self, command: ArrayLike) -> None:
        """Be at `command` one control step from now. Shape (14,)."""
        target = np.asarray(command, float)
        start, begin_ns = self._command, self.simulation.time_ns
        self._ticks += 1
        end_ns = int(self._ticks * NS_PER_S / self._control_hz)
        while (now_ns := self.simulation.time_ns) < end_ns:
            ahead_ns = now_ns + GUARD_STEPS * self.simulation.step_ns - begin_ns
            share = min(1.0, ahead_ns / (end_ns - begin_ns))
            self.simulation.command(start + share * (target - start))
            self.simulation.advance(GUARD_STEPS)
        self._command = target

    @property
    def truncated(self) -> bool:
        """Whether the task's time is over."""
        return self.simulation.time_ns >= self.simulation.time_limit_s * NS_PER_S


@dataclass(frozen=True)
class Demonstration:
    """What one run of the expert left behind; row `t` belongs to control step `t`.

    Attributes:
        success: Whether the task was solved.
        positions: Measured at the start of the step. Shape (steps, 14).
        actions: The expert's command, to be reached at the end of the step. Shape (steps, 14).
        rewards: Of the state at the end of the step. Shape (steps,).
        stamps_ns: Time of `positions` since the reset. Shape (steps,).
        images: Of the state at the start of the step. Shapes (steps, height, width, 3).
        object_states: Of the task's objects at the start of the step. Shape (steps, nt).
    """

    success: bool
    positions: Floats
    actions: Floats
    rewards: Floats
    stamps_ns: NDArray[np.int64]
    images: dict[str, Image]
    object_states: Floats


def noisy_columns(mode: str) -> NDArray[np.bool_]:
    """Return which joints the demonstrator's noise moves: of the arm in use, not its gripper.

    A mode that is not the name of one arm uses both.
    """
    used = (mode,) if mode in SIDES else SIDES
    arms = [[side in used] * len(ARM_JOINTS) + [False] for side in SIDES]
    return np.concatenate(arms).astype(bool)


def demonstrate(
    simulation: Simulation, rig: CameraRig | None, mode: str, seed: int, noise_rad: float
) -> Demonstration:
    """Let the expert solve the task once, shaken.

    Smooth noise is added to what the arms execute and not to what is recorded, so the data hold
    the way back from where a policy's own errors lead (DART, arXiv 1703.09327).

    Args:
        simulation: What to run; it is reset.
        rig: Cameras of this thread, or None for no pictures.
        mode: One of the task's modes.
        seed: Of the reset and of the noise.
        noise_rad: Standard deviation of the noise.
    """
    rng = np.random.default_rng((seed, 1))
    environment = ControlLoop(simulation)
    environment.reset(seed)
    expert = make_expert(simulation, mode, rng)
    shaken = noisy_columns(mode)
    keep = np.exp(-1 / (NOISE_TIME_S * CONTROL_HZ))
    noise: Array = np.zeros(len(simulation.home))
    rows: list[tuple[Array, Array, Array, float, int]] = []
    pictures: list[dict[str, Image]] = []
    while not (simulation.terminated or environment.truncated):
        if rig is not None:
            pictures.append(rig.render(simulation.data))
        measured, stamp_ns = simulation.positions, simulation.time_ns
        objects = simulation.object_states
        action = expert.command()
        fresh = rng.standard_normal(len(noise)) * shaken
        noise = keep * noise + noise_rad * np.sqrt(1 - keep**2) * fresh
        environment.step(action + noise)
        rows.append((measured, objects, action, simulation.reward, stamp_ns))
    positions, poses, actions, rewards, stamps = zip(*rows, strict=True)
    return Demonstration(
        success=simulation.terminated,
        positions=np.asarray(positions, np.float32),
        actions=np.asarray(actions, np.float32),
        rewards=np.asarray(rewards, np.float32),
        stamps_ns=np.asarray(stamps, np.int64),
        images={name: np.stack([view[name] for view in pictures]) for name in rig.names}
        if rig is not None
        else {},
        object_states=np.asarray(poses, np.float32),
    )
