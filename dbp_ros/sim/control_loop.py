"""Control loop around a simulation, and demonstrations of the scripted expert."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dbp_ros.random_streams import RandomStream
from dbp_ros.settings.dual_ur5e import ARM_JOINTS, SIDES
from dbp_ros.sim.camera import CameraRig
from dbp_ros.sim.expert import Expert
from dbp_ros.sim.simulation import Simulation
from dbp_ros.types import NS_PER_S, Array, Floats, Image

CONTROL_HZ = 30
STEPS_PER_COMMAND = 2
NOISE_TIME_CONSTANT_S = 0.3
# An arm that moved farther than the other, summed over its joints, is the one in use.
MOVED_RAD = 0.3
# Latest time at which the expert takes over from a policy, as a share of the time limit.
MAX_TAKEOVER = 0.5


class ControlLoop:
    """Control steps of a simulation.

    The command is interpolated linearly from the previous command in steps of 4 ms, as by the
    guard on the robot.
    """

    def __init__(self, simulation: Simulation, control_hz: float = CONTROL_HZ) -> None:
        """Wrap a simulation; call `reset` before the first step."""
        self.simulation = simulation
        self._control_hz = control_hz
        self._command = simulation.positions
        self._ticks = 0

    def reset(self, seed: int) -> None:
        """Start the episode of a seed."""
        self.simulation.reset(seed)
        self._command = self.simulation.positions
        self._ticks = 0

    def step(self, command: ArrayLike) -> None:
        """Advance one control step, at the end of which `command` is reached. Shape (14,)."""
        target = np.asarray(command, float)
        start, begin_ns = self._command, self.simulation.time_ns
        self._ticks += 1
        end_ns = int(self._ticks * NS_PER_S / self._control_hz)
        while (now_ns := self.simulation.time_ns) < end_ns:
            elapsed_ns = now_ns + STEPS_PER_COMMAND * self.simulation.step_ns - begin_ns
            fraction = min(1.0, elapsed_ns / (end_ns - begin_ns))
            self.simulation.command(start + fraction * (target - start))
            self.simulation.advance(STEPS_PER_COMMAND)
        self._command = target

    @property
    def truncated(self) -> bool:
        """Whether the time limit of the task is reached."""
        return self.simulation.time_ns >= self.simulation.time_limit_s * NS_PER_S


@dataclass(frozen=True)
class Demonstration:
    """Recording of one episode of the expert; row `t` belongs to control step `t`.

    Attributes:
        mode: Mode of the expert.
        success: Whether the task was solved.
        positions: At the start of the step. Shape (steps, 14).
        actions: Command of the expert for the end of the step. Shape (steps, 14).
        rewards: Of the state at the end of the step. Shape (steps,).
        stamps_ns: Time of `positions` since the reset. Shape (steps,).
        images: Of the state at the start of the step. Shapes (steps, height, width, 3).
        object_states: Of the task's objects at the start of the step. Shape (steps, nt).
    """

    mode: str
    success: bool
    positions: Floats
    actions: Floats
    rewards: Floats
    stamps_ns: NDArray[np.int64]
    images: dict[str, Image]
    object_states: Floats


def noisy_joints(mode: str) -> NDArray[np.bool_]:
    """Return the mask of the joints that get noise: those of the arms in use, without grippers.

    A mode that is not the name of an arm uses both arms.
    """
    used = (mode,) if mode in SIDES else SIDES
    arms = [[side in used] * len(ARM_JOINTS) + [False] for side in SIDES]
    return np.concatenate(arms).astype(bool)


class RolloutPolicy(Protocol):
    """Policy at the rate of the demonstrations."""

    def reset(self, seed: int) -> None:
        """Start an episode."""

    def command(self, positions: Array, images: Mapping[str, Image]) -> Array:
        """Return the command for the end of the next control step. Shape (14,)."""


def active_mode(mode: str, moved: Array) -> str:
    """Return the mode of the arm that a policy uses; the given one if no arm has moved far.

    Args:
        mode: One of the task's modes; returned if it uses both arms.
        moved: Displacement of each joint from its start in [rad] and [m]. Shape (14,).
    """
    if mode not in SIDES:
        return mode
    distances = np.abs(moved).reshape(len(SIDES), -1).sum(axis=1)
    if np.ptp(distances) < MOVED_RAD:
        return mode
    return SIDES[int(np.argmax(distances))]


def roll_out(
    loop: ControlLoop,
    rig: CameraRig | None,
    policy: RolloutPolicy,
    seed: int,
    end_ns: float = math.inf,
) -> bool:
    """Let a policy drive from the reset to a time; return whether it has solved the task.

    Args:
        loop: Control loop; it is reset.
        rig: Cameras of this thread, or None for no images.
        policy: The policy; it is reset.
        seed: Seed of both resets.
        end_ns: Simulated time at which it stops, if not at success or the time limit.
    """
    simulation = loop.simulation
    loop.reset(seed)
    policy.reset(seed)
    while simulation.time_ns < end_ns and not (simulation.terminated or loop.truncated):
        images = {} if rig is None else rig.render(simulation.data)
        loop.step(policy.command(simulation.positions, images))
    return simulation.terminated


def take_over(
    loop: ControlLoop, rig: CameraRig | None, policy: RolloutPolicy, mode: str, seed: int
) -> str:
    """Let a policy drive from the reset to a random time, before it solves the task.

    Args:
        loop: Control loop; it is reset.
        rig: Cameras of this thread, or None for no images.
        policy: The policy.
        mode: One of the task's modes.
        seed: Seed of the reset, of the policy and of the time.

    Returns:
        The mode in which the expert continues: that of the arm in use.
    """
    simulation, rng = loop.simulation, RandomStream.TAKEOVER.generator(seed)
    longest_ns = MAX_TAKEOVER * simulation.time_limit_s * NS_PER_S
    loop.reset(seed)
    start = simulation.positions
    while roll_out(loop, rig, policy, seed, rng.uniform(0.0, longest_ns)):
        longest_ns = float(simulation.time_ns)
    return active_mode(mode, simulation.positions - start)


def demonstrate(
    simulation: Simulation,
    rig: CameraRig | None,
    mode: str,
    seed: int,
    noise_rad: float,
    policy: RolloutPolicy | None = None,
) -> Demonstration:
    """Record one episode of the expert with noise on the executed commands.

    The recorded actions are free of noise, so the data contain recoveries from the errors of a
    policy (DART, arXiv 1703.09327). With a policy the recording starts where the expert takes over
    from it, similar to DAgger (arXiv 1011.0686): each chunk of actions is then one of the expert.

    Args:
        simulation: Simulation; it is reset.
        rig: Cameras of this thread, or None for no images.
        mode: One of the task's modes.
        seed: Seed of the reset and of the noise.
        noise_rad: Standard deviation of the AR(1) noise.
        policy: Policy that drives until the expert takes over; None for the expert alone.
    """
    rng = RandomStream.COMMAND_NOISE.generator(seed)
    loop = ControlLoop(simulation)
    loop.reset(seed)
    if policy is not None:
        mode = take_over(loop, rig, policy, mode, seed)
    expert = Expert(simulation, mode)
    noisy = noisy_joints(mode)
    decay = np.exp(-1 / (NOISE_TIME_CONSTANT_S * CONTROL_HZ))
    noise: Array = np.zeros(len(simulation.home))
    rows: list[tuple[Array, Array, Array, float, int]] = []
    images: list[dict[str, Image]] = []
    while not (simulation.terminated or loop.truncated):
        if rig is not None:
            images.append(rig.render(simulation.data))
        positions, stamp_ns = simulation.positions, simulation.time_ns
        object_states = simulation.object_states
        action = expert.command()
        innovation = rng.standard_normal(len(noise)) * noisy
        noise = decay * noise + noise_rad * np.sqrt(1 - decay**2) * innovation
        loop.step(action + noise)
        rows.append((positions, object_states, action, simulation.reward, stamp_ns))
    columns = zip(*rows, strict=True)
    positions, object_states, actions, rewards, stamps_ns = map(np.asarray, columns)
    return Demonstration(
        mode=mode,
        success=simulation.terminated,
        positions=positions.astype(np.float32),
        actions=actions.astype(np.float32),
        rewards=rewards.astype(np.float32),
        stamps_ns=stamps_ns.astype(np.int64),
        images={name: np.stack([image[name] for image in images]) for name in rig.names}
        if rig is not None
        else {},
        object_states=object_states.astype(np.float32),
    )
