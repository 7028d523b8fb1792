"""A policy, the guard and the simulation in lockstep: success without ROS and without waiting.

The same `PolicyRunner` and `MotionGuard` as on a robot run here, at the same rates and with cameras
that render one after the other; only the time is simulated. It measures the success of a policy,
not its speed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dbp_ros.bundle.manifest import require_joints
from dbp_ros.errors import ObservationError
from dbp_ros.motion.guard import MotionGuard
from dbp_ros.policy.decision_rate import for_model
from dbp_ros.policy.model import Model
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.robot import CAMERAS
from dbp_ros.sim.camera import CameraRig, open_cameras
from dbp_ros.sim.simulation import Simulation
from dbp_ros.types import NS_PER_S, Array, Frame, seconds_to_ns

CAMERA_PERIOD_NS = NS_PER_S // 30
# From the moment of a picture to its features, as the stack takes it.
IMAGE_LATENCY_NS = seconds_to_ns(0.006)
START_NS = NS_PER_S
# What is faster than half of this, drives and arms do not follow.
JERK_RATE_HZ = 100.0


@dataclass(frozen=True)
class EpisodeOutcome:
    """How one episode ended.

    Attributes:
        seed: Seed of the reset.
        success: Whether the task was solved in time.
        duration_s: Length of the episode in [s] of simulated time.
        moved: Name of the side whose arm moved more.
        limited: Share of the commands that a limit changed.
        decisions: How many there were.
        jerk: Of the joints of the arms as they moved, root mean square in [rad/s^3].
    """

    seed: int
    success: bool
    duration_s: float
    moved: str
    limited: float
    decisions: int
    jerk: float


class Evaluation:
    """Runs episodes of one task under one model."""

    def __init__(
        self, model: Model, task: str, policy: PolicyConfig, guard: GuardConfig, backend: str
    ) -> None:
        """Build the simulation and its cameras, at the sizes the model was trained on.

        Raises:
            ConfigError: If there is no such task or camera backend.
            BundleError: If the model is for another robot.
        """
        self._model = model
        self._policy = policy
        self._guard = guard
        self._simulation = Simulation(task)
        require_joints(model.manifest, self._simulation.joint_names)
        sizes = {(camera.height, camera.width) for camera in model.manifest.cameras}
        height, width = max(sizes, default=(84, 84))
        self._rig = open_cameras(self._simulation.model, CAMERAS, height, width, backend)

    def run(self, seeds: range) -> Iterator[EpisodeOutcome]:
        """Run one episode for each seed."""
        return map(self.episode, seeds)

    def episode(self, seed: int) -> EpisodeOutcome:
        """Run one episode, reset and latent drawn from `seed`, until it is solved or time is up."""
        self._simulation.reset(seed)
        decider = PolicyRunner(self._model, replace(self._policy, latent_seed=seed))
        return _Episode(self._simulation, self._rig, decider, self._policy, self._guard).run(seed)


class _Episode:
    """One episode on the simulation's time."""

    def __init__(
        self,
        simulation: Simulation,
        rig: CameraRig,
        decider: PolicyRunner,
        policy: PolicyConfig,
        guard: GuardConfig,
    ) -> None:
        self._simulation, self._rig, self._decider = simulation, rig, decider
        self._guard = MotionGuard(guard)
        self._tick_ns = round(NS_PER_S / guard.command_rate_hz)
        policy = for_model(policy, decider.model.manifest)
        self._period_ns = round(NS_PER_S / policy.decision_rate_hz)
        self._least_ns = round(policy.earliest_decision * self._period_ns)
        self._cameras = decider.model.manifest.camera_names
        joints = decider.model.manifest.joints
        self._order = [simulation.joint_names.index(joint) for joint in joints]
        self._columns = np.argsort(self._order)
        self._looks_ns = {
            name: START_NS + k * CAMERA_PERIOD_NS // len(self._cameras)
            for k, name in enumerate(self._cameras)
        }
        self._pictures: list[tuple[int, str, Frame]] = []
        self._decided_ns = START_NS - self._period_ns
        self._decisions = 0

    def run(self, seed: int) -> EpisodeOutcome:
        """Go on until the task is solved or time is up."""
        simulation, guard = self._simulation, self._guard
        end_ns = START_NS + seconds_to_ns(simulation.time_limit_s)
        now_ns, way = START_NS, [simulation.positions]
        guard.measure(way[0], now_ns)
        guard.enable(now_ns)
        while now_ns < end_ns and not simulation.terminated:
            self._observe(way[-1], now_ns)
            command = guard.tick(now_ns)
            if command is not None:
                simulation.command(command)
            simulation.advance(round(self._tick_ns / simulation.step_ns))
            now_ns += self._tick_ns
            way.append(simulation.positions)
        return EpisodeOutcome(
            seed=seed,
            success=simulation.terminated,
            duration_s=(now_ns - START_NS) / NS_PER_S,
            moved=self._moved(np.array(way)),
            limited=guard.counters.limited_commands / max(1, guard.counters.commands),
            decisions=self._decisions,
            jerk=self._jerk(np.array(way)),
        )

    def _observe(self, positions: Array, now_ns: int) -> None:
        """Feel and see, and decide where it is time to."""
        self._guard.measure(positions, now_ns)
        self._decider.feel(positions[self._order].astype(np.float32), now_ns, now_ns)
        for name, look_ns in self._looks_ns.items():
            if now_ns >= look_ns:
                self._looks_ns[name] += CAMERA_PERIOD_NS
                image = self._rig.render_camera(name, self._simulation.qpos)
                self._pictures.append((now_ns + IMAGE_LATENCY_NS, name, Frame(image, now_ns)))
        seen = False
        while self._pictures and self._pictures[0][0] <= now_ns:
            _, name, frame = self._pictures.pop(0)
            self._decider.see(name, frame, now_ns)
            seen = True
        since_ns = now_ns - self._decided_ns
        if since_ns >= self._period_ns or (seen and since_ns >= self._least_ns):
            self._decide(now_ns)

    def _decide(self, now_ns: int) -> None:
        try:
            chunk = self._decider.decide(now_ns)
        except ObservationError:
            return
        self._decided_ns = now_ns
        self._decisions += 1
        self._guard.accept(replace(chunk, positions=chunk.positions[:, self._columns]), now_ns)

    def _moved(self, way: Array) -> str:
        moved = np.abs(way - way[0]).max(axis=0)
        side = len(moved) // 2
        return "left" if moved[:side].sum() > moved[side:].sum() else "right"

    def _jerk(self, way: Array) -> float:
        arms = ["gripper" not in name for name in self._simulation.joint_names]
        every = max(1, round(NS_PER_S / JERK_RATE_HZ / self._tick_ns))
        return rms_jerk(way[::every, arms], every * self._tick_ns / NS_PER_S)


def rms_jerk(way: Array, dt: float) -> float:
    """Return the root mean square of the third derivative of a motion.

    Args:
        way: Positions in [rad]. Shape (times, joints).
        dt: Time from one to the next, in [s].

    Returns:
        In [rad/s^3]; 0 for less than four positions.
    """
    jerk = np.diff(way, n=3, axis=0) / dt**3
    return float(np.sqrt(np.mean(jerk**2))) if len(jerk) else 0.0
