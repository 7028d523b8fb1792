"""A policy, the guard and the simulation in lockstep: success without ROS and without waiting.

The same `Decider` and `MotionGuard` as on a robot run here, at the same rates; only the time is
the simulation's. It answers how good a policy is, not how fast.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dbp_ros.bundle import require_joints
from dbp_ros.config import CAMERAS, GuardConfig, PolicyConfig
from dbp_ros.contract import NS_PER_S, Frame, seconds_to_ns
from dbp_ros.errors import ObservationError
from dbp_ros.motion.guard import MotionGuard
from dbp_ros.policy.decider import Decider
from dbp_ros.policy.model import Model
from dbp_ros.sim.camera import CameraRig, open_cameras
from dbp_ros.sim.simulation import Simulation

CAMERA_PERIOD_NS = NS_PER_S // 30
IMAGE_LATENCY_NS = 15_000_000
START_NS = NS_PER_S


@dataclass(frozen=True)
class Outcome:
    """How one episode ended.

    Attributes:
        seed: Seed of the reset.
        success: Whether the task was solved in time.
        duration_s: Length of the episode in [s] of simulated time.
        moved: Name of the side whose arm moved more.
        limited: Share of the commands that a limit changed.
    """

    seed: int
    success: bool
    duration_s: float
    moved: str
    limited: float


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
        self._rig: CameraRig = open_cameras(self._simulation.model, CAMERAS, height, width, backend)
        self._order = [self._simulation.joint_names.index(joint) for joint in model.manifest.joints]

    def run(self, seeds: range) -> Iterator[Outcome]:
        """Run one episode for each seed."""
        return map(self.episode, seeds)

    def episode(self, seed: int) -> Outcome:
        """Run one episode, reset and latent drawn from `seed`, until it is solved or time is up."""
        simulation, guard = self._simulation, MotionGuard(self._guard)
        decider = Decider(self._model, replace(self._policy, latent_seed=seed))
        simulation.reset(seed)
        start = simulation.positions
        tick_ns = round(NS_PER_S / self._guard.command_rate_hz)
        decision_ns = round(NS_PER_S / self._policy.decision_rate_hz)
        end_ns = START_NS + seconds_to_ns(simulation.time_limit_s)
        now_ns, next_picture_ns, next_decision_ns = START_NS, START_NS, START_NS
        pictures: list[tuple[int, dict[str, Frame]]] = []
        guard.measure(start, now_ns)
        guard.enable(now_ns)
        moved = np.zeros(len(start))
        while now_ns < end_ns and not simulation.terminated:
            positions = simulation.positions
            moved = np.maximum(moved, np.abs(positions - start))
            guard.measure(positions, now_ns)
            decider.feel(positions[self._order].astype(np.float32), now_ns, now_ns)
            if now_ns >= next_picture_ns:
                next_picture_ns += CAMERA_PERIOD_NS
                pictures.append((now_ns + IMAGE_LATENCY_NS, self._picture(now_ns)))
            while pictures and pictures[0][0] <= now_ns:
                for camera, frame in pictures.pop(0)[1].items():
                    decider.see(camera, frame, now_ns)
            if now_ns >= next_decision_ns:
                next_decision_ns += decision_ns
                self._decide(decider, guard, now_ns)
            command = guard.tick(now_ns)
            if command is not None:
                simulation.command(command)
            simulation.advance(round(tick_ns / simulation.step_ns))
            now_ns += tick_ns
        side = len(moved) // 2
        return Outcome(
            seed=seed,
            success=simulation.terminated,
            duration_s=(now_ns - START_NS) / NS_PER_S,
            moved="left" if moved[:side].sum() > moved[side:].sum() else "right",
            limited=guard.counters.limited_commands / max(1, guard.counters.commands),
        )

    def _picture(self, now_ns: int) -> dict[str, Frame]:
        images = self._rig.look(self._simulation.snapshot())
        return {name: Frame(images[name], now_ns) for name in self._model.manifest.camera_names}

    def _decide(self, decider: Decider, guard: MotionGuard, now_ns: int) -> None:
        try:
            chunk = decider.decide(now_ns)
        except ObservationError:
            return
        columns = np.argsort(self._order)
        guard.accept(
            type(chunk)(
                positions=chunk.positions[:, columns],
                due_ns=chunk.due_ns,
                stamp_ns=chunk.stamp_ns,
                image_stamps_ns=chunk.image_stamps_ns,
            ),
            now_ns,
        )
