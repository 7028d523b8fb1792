"""Evaluation of a policy in lockstep with guard and simulation, without ROS.

`PolicyRunner` and `MotionGuard` run as on a robot and at the same rates, on simulated time: between
the decisions of a slow model the remaining points of its chunk reach the guard. This measures
success, not latency.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dbp_ros.bundle.manifest import require_cameras, require_joints
from dbp_ros.errors import ObservationError
from dbp_ros.evaluation.disturbance import UNDISTURBED, DelayLine, Disturbance, degrade
from dbp_ros.motion.feedback import SPEED_NS
from dbp_ros.motion.guard import MotionGuard
from dbp_ros.policy.decision_rate import loop_rate_hz, with_decision_rate
from dbp_ros.policy.model import Model
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.random_streams import RandomStream
from dbp_ros.settings.dual_ur5e import CAMERAS
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.sim.camera import CameraRig, open_cameras
from dbp_ros.sim.simulation import Simulation
from dbp_ros.types import NS_PER_S, Array, Frame, seconds_to_ns

CAMERA_PERIOD_NS = NS_PER_S // 30
# From the image timestamp to its features, as measured on the stack.
IMAGE_LATENCY_NS = seconds_to_ns(0.006)
START_NS = NS_PER_S
# Drives and arms do not follow frequencies above half of this.
JERK_RATE_HZ = 100.0


@dataclass(frozen=True)
class EpisodeOutcome:
    """Outcome of one episode.

    Attributes:
        seed: Seed of the reset.
        success: Whether the task was solved within the time limit.
        duration_s: Duration in simulated time.
        moved: Side of the arm that moved more, `left` or `right`.
        variant: Variant of the scene; see `Task.variant`.
        limited: Fraction of commands that a limit changed.
        decisions: Number of decisions, each with a new chunk.
        jerk: RMS jerk of the arm joints in [rad/s^3].
    """

    seed: int
    success: bool
    duration_s: float
    moved: str
    variant: str
    limited: float
    decisions: int
    jerk: float


class PolicyEvaluator:
    """Runner of episodes of one task with one model."""

    def __init__(
        self, model: Model, task: str, policy: PolicyConfig, guard: GuardConfig, backend: str
    ) -> None:
        """Build the simulation and its cameras at the image size of the model.

        Raises:
            ConfigError: If the task or the camera backend is unknown.
            BundleError: If the model is for another robot.
        """
        self._model = model
        self._policy = policy
        self._guard = guard
        self._simulation = Simulation(task)
        require_joints(model.manifest, self._simulation.joint_names)
        require_cameras(model.manifest, CAMERAS)
        sizes = {(camera.height, camera.width) for camera in model.manifest.cameras}
        height, width = max(sizes, default=(84, 84))
        self._rig = open_cameras(self._simulation.model, CAMERAS, height, width, backend)

    def run(self, seeds: range) -> Iterator[EpisodeOutcome]:
        """Run one episode for each seed."""
        return map(self.run_episode, seeds)

    def run_episode(self, seed: int, disturbance: Disturbance = UNDISTURBED) -> EpisodeOutcome:
        """Run one episode until success or the time limit.

        Args:
            seed: Seed of the reset, the latent and the disturbance.
            disturbance: Differences from the nominal evaluation.
        """
        self._simulation.vary(disturbance.variation, seed)
        self._simulation.reset(seed)
        runner = PolicyRunner(self._model, replace(self._policy, latent_seed=seed))
        rollout = _Rollout(
            self._simulation, self._rig, runner, self._policy, self._guard, disturbance, seed
        )
        return rollout.run()


class _Rollout:
    """One episode on simulated time."""

    def __init__(
        self,
        simulation: Simulation,
        rig: CameraRig,
        runner: PolicyRunner,
        policy: PolicyConfig,
        guard: GuardConfig,
        disturbance: Disturbance,
        seed: int,
    ) -> None:
        self._simulation, self._rig, self._runner = simulation, rig, runner
        self._disturbance, self._seed = disturbance, seed
        self._rng = RandomStream.DISTURBANCE.generator(seed)
        self._image_latency_ns = IMAGE_LATENCY_NS + seconds_to_ns(disturbance.image_delay_s)
        self._guard = MotionGuard(guard)
        self._tick_ns = round(NS_PER_S / guard.command_rate_hz)
        self._robot = DelayLine(round(disturbance.command_delay_s * guard.command_rate_hz))
        policy = with_decision_rate(policy, runner.model.manifest)
        self._period_ns = round(NS_PER_S / loop_rate_hz(policy.decision_rate_hz))
        self._min_interval_ns = round(policy.earliest_decision * self._period_ns)
        self._cameras = runner.model.manifest.camera_names
        joints = runner.model.manifest.joints
        self._order = [simulation.joint_names.index(joint) for joint in joints]
        self._columns = np.argsort(self._order)
        self._next_image_ns = {
            name: START_NS + k * CAMERA_PERIOD_NS // len(self._cameras)
            for k, name in enumerate(self._cameras)
        }
        self._pending: list[tuple[int, str, Frame]] = []
        self._last_step_ns = START_NS - self._period_ns

    def run(self) -> EpisodeOutcome:
        """Run until success or the time limit."""
        simulation, guard = self._simulation, self._guard
        end_ns = START_NS + seconds_to_ns(simulation.time_limit_s)
        now_ns, path = START_NS, [simulation.positions]
        variant = simulation.task.variant(simulation.data)
        for at_ns in (now_ns - SPEED_NS, now_ns):
            guard.add_measurement(path[0], at_ns)
        guard.enable(now_ns)
        while now_ns < end_ns and not simulation.terminated:
            self._observe(path[-1], now_ns)
            command = self._robot.shift(guard.tick(now_ns))
            if command is not None:
                simulation.command(command)
            simulation.advance(round(self._tick_ns / simulation.step_ns))
            now_ns += self._tick_ns
            path.append(simulation.positions)
        return EpisodeOutcome(
            seed=self._seed,
            success=simulation.terminated,
            duration_s=(now_ns - START_NS) / NS_PER_S,
            moved=self._moved(np.array(path)),
            variant=variant,
            limited=guard.counters.limited_commands / max(1, guard.counters.commands),
            decisions=self._runner.execution.statistics.inference.count,
            jerk=self._jerk(np.array(path)),
        )

    def _observe(self, positions: Array, now_ns: int) -> None:
        """Add joint states and images; step the policy if it is due."""
        self._guard.add_measurement(positions, now_ns)
        self._runner.add_joint_state(positions[self._order].astype(np.float32), now_ns, now_ns)
        for name, image_ns in self._next_image_ns.items():
            if now_ns >= image_ns:
                self._next_image_ns[name] += CAMERA_PERIOD_NS
                if self._rng.random() < self._disturbance.dropped_images:
                    continue
                image = self._rig.render_camera(name, self._simulation.qpos)
                image = degrade(image, self._disturbance, self._rng)
                self._pending.append((now_ns + self._image_latency_ns, name, Frame(image, now_ns)))
        new_image = False
        while self._pending and self._pending[0][0] <= now_ns:
            _, name, frame = self._pending.pop(0)
            self._runner.add_image(name, frame, now_ns)
            new_image = True
        since_ns = now_ns - self._last_step_ns
        if since_ns >= self._period_ns or (new_image and since_ns >= self._min_interval_ns):
            self._step(now_ns, triggered=since_ns < self._period_ns)

    def _step(self, now_ns: int, triggered: bool) -> None:
        try:
            chunk = self._runner.step(now_ns, triggered)
        except ObservationError:
            return
        # A step that is late by less than a tick does not delay the next one.
        due_ns = self._last_step_ns + self._period_ns
        self._last_step_ns = due_ns if 0 <= now_ns - due_ns < self._tick_ns else now_ns
        self._guard.accept(replace(chunk, positions=chunk.positions[:, self._columns]), now_ns)

    def _moved(self, path: Array) -> str:
        moved = np.abs(path - path[0]).max(axis=0)
        side = len(moved) // 2
        return "left" if moved[:side].sum() > moved[side:].sum() else "right"

    def _jerk(self, path: Array) -> float:
        arms = ["gripper" not in name for name in self._simulation.joint_names]
        stride = max(1, round(NS_PER_S / JERK_RATE_HZ / self._tick_ns))
        return rms_jerk(path[::stride, arms], stride * self._tick_ns / NS_PER_S)


def rms_jerk(positions: Array, dt: float) -> float:
    """Return the RMS of the third derivative of a motion.

    Args:
        positions: Positions in [rad]. Shape (times, joints).
        dt: Time step in [s].

    Returns:
        RMS jerk in [rad/s^3]; 0 for fewer than four positions.
    """
    jerk = np.diff(positions, n=3, axis=0) / dt**3
    return float(np.sqrt(np.mean(jerk**2))) if len(jerk) else 0.0
