"""Collection of demonstrations of the scripted expert in worker processes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.bundle.manifest import require_cameras, require_joints
from dbp_ros.data.episode import Episode, episode_path, read_episode, write_episode
from dbp_ros.errors import ConfigError, EpisodeError
from dbp_ros.evaluation.worker_pool import run_with_resource
from dbp_ros.policy import load_policy
from dbp_ros.random_streams import RandomStream
from dbp_ros.settings.dual_ur5e import CAMERAS, DUAL_UR5E_JOINTS
from dbp_ros.sim.camera import CameraRig, open_cameras
from dbp_ros.sim.control_loop import (
    CONTROL_HZ,
    ControlLoop,
    Demonstration,
    demonstrate,
    roll_out,
)
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.registry import make_task
from dbp_ros.sim.tasks.task_object import object_state_names
from dbp_ros.sim.variation import sample_variation
from dbp_ros.types import Array, Image

# Folders of the markers of episodes without a recording.
FAILURES, SKIPPED = "failures", "skipped"


@dataclass(frozen=True)
class CollectionPlan:
    """Settings of a data set; the same plan gives the same episodes.

    Attributes:
        task: Name of the task.
        modes: Modes of the expert, used in turn.
        seed: Episode number `k` is reset with `seed + k`.
        noise_rad: Standard deviation of the noise on executed commands in [rad].
        size: Height and width of an image in pixels; zero disables images.
        backend: Renderer of the images.
        directory: Folder of the episodes.
        policy: Model bundle that drives until the expert takes over; empty for the expert alone.
        hard: Whether scenes that the policy solves are skipped.
        randomisation: Scale of the domain randomisation, a new variation of the cell per episode.
        object_states: Whether states hold object poses in addition to joint positions.
    """

    task: str
    modes: tuple[str, ...]
    seed: int
    noise_rad: float
    size: int
    backend: str
    directory: Path
    policy: str = ""
    hard: bool = False
    randomisation: float = 0.0
    object_states: bool = False

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the state columns."""
        return DUAL_UR5E_JOINTS + (
            object_state_names(make_task(self.task).objects) if self.object_states else ()
        )

    def mode(self, index: int) -> str:
        """Return the mode of one episode."""
        return self.modes[index % len(self.modes)]

    def marker(self, reason: str, index: int) -> Path:
        """Return the file that marks an episode without a recording, for a reason."""
        return self.directory / reason / f"episode_{index:06d}"

    def mark(self, reason: str, index: int) -> None:
        """Write the marker of an episode."""
        marker = self.marker(reason, index)
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(f"mode {self.mode(index)} seed {self.seed + index}\n")


@dataclass(frozen=True)
class CollectedEpisode:
    """Outcome of one episode.

    Attributes:
        index: Its number.
        mode: Mode of the expert.
        success: Whether the expert solved the task.
        duration_s: Duration of the recording; 0 without one.
        skipped: Whether there is no recording, because the policy solved the task.
    """

    index: int
    mode: str
    success: bool
    duration_s: float
    skipped: bool = False


class EpisodeCollector:
    """Simulation and cameras of a worker process."""

    def __init__(self, plan: CollectionPlan) -> None:
        """Build the scene and open the cameras."""
        self.plan = plan
        self.simulation = Simulation(plan.task)
        self.rig: CameraRig | None = None
        if plan.size:
            self.rig = open_cameras(
                self.simulation.model, CAMERAS, plan.size, plan.size, plan.backend
            )
        self.policy = BundleRolloutPolicy(plan.policy) if plan.policy else None

    def record(self, index: int) -> CollectedEpisode:
        """Run one episode and save it if it succeeded."""
        plan = self.plan
        mode, seed = plan.mode(index), plan.seed + index
        rng = RandomStream.RANDOMISATION.generator(seed)
        self.simulation.vary(sample_variation(plan.randomisation, rng), seed)
        if plan.hard and self._policy_solves(seed):
            plan.mark(SKIPPED, index)
            return CollectedEpisode(index, mode, False, 0.0, skipped=True)
        demonstration = demonstrate(
            self.simulation, self.rig, mode, seed, plan.noise_rad, self.policy
        )
        if demonstration.success:
            write_episode(
                episode_path(plan.directory, index), to_episode(demonstration, plan, index)
            )
        else:
            plan.mark(FAILURES, index)
        return CollectedEpisode(
            index,
            demonstration.mode,
            demonstration.success,
            len(demonstration.positions) / CONTROL_HZ,
        )

    def _policy_solves(self, seed: int) -> bool:
        assert self.policy is not None
        return roll_out(ControlLoop(self.simulation), self.rig, self.policy, seed)


class BundleRolloutPolicy:
    """Model bundle that drives the robot at the rate of the demonstrations."""

    def __init__(self, model: str) -> None:
        """Load a bundle that passed `require_policy`."""
        self._policy = load_policy(model)
        self._order = [DUAL_UR5E_JOINTS.index(name) for name in self._policy.joints]

    def reset(self, seed: int) -> None:
        """Start an episode."""
        self._policy.reset(seed)

    def command(self, positions: Array, images: Mapping[str, Image]) -> Array:
        """Return the command for the end of the next control step. Shape (14,)."""
        chosen = {name: images[name] for name in self._policy.cameras}
        chunk = self._policy(positions[self._order], chosen, time_s=None)
        command = np.empty(len(DUAL_UR5E_JOINTS))
        command[self._order] = chunk[0]
        return command


def require_policy(plan: CollectionPlan) -> None:
    """Require that the policy of a plan can drive the robot.

    Raises:
        BundleError: If its bundle is missing, damaged or for another robot.
        ConfigError: If it takes images of another size, or has another control step.
    """
    if not plan.policy:
        return
    manifest = read_bundle(bundle_directory(plan.policy)).manifest
    require_joints(manifest, DUAL_UR5E_JOINTS)
    require_cameras(manifest, CAMERAS)
    if not np.isclose(manifest.action.step_s, 1 / CONTROL_HZ):
        raise ConfigError(
            f"policy {plan.policy} has points every {manifest.action.step_s:.4f} s, expected "
            f"{1 / CONTROL_HZ:.4f} s: train without --stride"
        )
    for camera in manifest.cameras:
        if (camera.height, camera.width) != (plan.size, plan.size):
            raise ConfigError(
                f"policy {plan.policy} takes images of {camera.height}x{camera.width} from "
                f"{camera.name}, this command records {plan.size}x{plan.size}: set --size"
            )


def to_episode(demonstration: Demonstration, plan: CollectionPlan, index: int) -> Episode:
    """Return a successful demonstration as episode number `index` of a plan."""
    measured = (
        (demonstration.positions, demonstration.object_states)
        if plan.object_states
        else (demonstration.positions,)
    )
    return Episode(
        task=plan.task,
        seed=plan.seed + index,
        mode=demonstration.mode,
        outcome="success",
        termination_reason="success",
        state_names=plan.state_names,
        action_names=DUAL_UR5E_JOINTS,
        step_s=1 / CONTROL_HZ,
        states=np.concatenate(measured, axis=1),
        actions=demonstration.actions,
        rewards=demonstration.rewards,
        stamps_ns=demonstration.stamps_ns,
        images=demonstration.images,
    )


def resolve_backend(plan: CollectionPlan) -> str:
    """Return the renderer of a plan, or `none` without images.

    A renderer that does not work fails here and not in a worker.

    Raises:
        ConfigError: If the renderer does not work on this machine.
    """
    if not plan.size:
        return "none"
    with open_cameras(Simulation(plan.task).model, CAMERAS, 8, 8, plan.backend) as rig:
        return rig.backend


def find_recorded(plan: CollectionPlan, index: int) -> CollectedEpisode | None:
    """Return the outcome of an episode that is on disk, None if there is none.

    Raises:
        ConfigError: If the file holds another task, mode or seed.
    """
    mode = plan.mode(index)
    for reason in (FAILURES, SKIPPED):
        if plan.marker(reason, index).exists():
            return CollectedEpisode(index, mode, False, 0.0, skipped=reason == SKIPPED)
    path = episode_path(plan.directory, index)
    try:
        episode = read_episode(path)
    except EpisodeError:
        return None
    # The expert continues in the mode that a policy has chosen.
    mode = episode.mode if plan.policy else mode
    sizes = {images.shape[1] for images in episode.images.values()}
    found = (episode.task, episode.mode, episode.seed, max(sizes, default=0))
    wanted = (plan.task, mode, plan.seed + index, plan.size)
    if episode.state_names != plan.state_names:
        raise ConfigError(
            f"{path} has states {', '.join(episode.state_names)}, this command would record "
            f"{', '.join(plan.state_names)}: use another --out"
        )
    if found != wanted:
        raise ConfigError(
            f"{path} has (task, mode, seed, image size) = {found}, this command would record "
            f"{wanted}: use another --out, or the settings in dataset.yaml"
        )
    return CollectedEpisode(index, episode.mode, True, len(episode) * episode.step_s)


def note_on_failures(directory: Path, failed: int) -> list[str]:
    """Return a line on failed episodes of earlier commands, which are not repeated."""
    if not failed:
        return []
    return [
        f"{failed} episodes failed in an earlier command and are not repeated: delete "
        f"{directory / FAILURES} to record them again"
    ]


def collect_missing(
    plan: CollectionPlan, missing: list[int], workers: int
) -> Iterator[CollectedEpisode]:
    """Record episodes in worker processes; yield each outcome as it is available."""
    collector = partial(EpisodeCollector, plan)
    return run_with_resource(collector, EpisodeCollector.record, missing, workers)


def collect(plan: CollectionPlan, count: int, workers: int) -> Iterator[CollectedEpisode]:
    """Record until `count` episodes succeeded; yield the successful ones, old and new."""
    plan.directory.mkdir(parents=True, exist_ok=True)
    attempted, succeeded = 0, 0
    while succeeded < count:
        indices = range(attempted, attempted + count - succeeded)
        outcomes = {index: find_recorded(plan, index) for index in indices}
        missing = [index for index, outcome in outcomes.items() if outcome is None]
        for outcome in chain(outcomes.values(), collect_missing(plan, missing, workers)):
            if outcome is not None and outcome.success:
                succeeded += 1
                yield outcome
        attempted = indices.stop
