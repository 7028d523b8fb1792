"""Recording a data set: what to record, and the worker processes that record it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from dbp_ros.data.episode import Episode, episode_path, read_episode, write_episode
from dbp_ros.errors import ConfigError, EpisodeError
from dbp_ros.evaluation.worker_pool import run_each
from dbp_ros.settings.robot import CAMERAS, DUAL_UR5E_JOINTS
from dbp_ros.sim.camera import CameraRig, open_cameras
from dbp_ros.sim.control_loop import CONTROL_HZ, Demonstration, demonstrate
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.registry import make_task
from dbp_ros.sim.tasks.task_object import object_state_names

FAILURES = "failures"


@dataclass(frozen=True)
class CollectionPlan:
    """What to record; the same plan gives the same episodes.

    Attributes:
        task: Name of the task.
        modes: Ways of solving it, taken in turn.
        seed: Episode number `k` is reset with `seed + k`.
        noise_rad: Noise of the executed commands.
        size: Rows and columns of a picture; zero records none.
        backend: What draws the pictures.
        directory: Where the episodes go.
        things: Whether the states hold the poses of the task's things beside the joints.
    """

    task: str
    modes: tuple[str, ...]
    seed: int
    noise_rad: float
    size: int
    backend: str
    directory: Path
    things: bool = False

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the columns of the states."""
        return DUAL_UR5E_JOINTS + (
            object_state_names(make_task(self.task).objects) if self.things else ()
        )

    def mode(self, index: int) -> str:
        """Return the mode of one episode."""
        return self.modes[index % len(self.modes)]

    def failure(self, index: int) -> Path:
        """Return the file that remembers that an episode was tried and failed."""
        return self.directory / FAILURES / f"episode_{index:06d}"


@dataclass(frozen=True)
class CollectedEpisode:
    """What became of one episode."""

    index: int
    mode: str
    success: bool
    duration_s: float


class EpisodeCollector:
    """What a worker process keeps between episodes."""

    def __init__(self, plan: CollectionPlan) -> None:
        """Build the scene and open the cameras."""
        self.plan = plan
        self.simulation = Simulation(plan.task)
        self.rig: CameraRig | None = None
        if plan.size:
            self.rig = open_cameras(
                self.simulation.model, CAMERAS, plan.size, plan.size, plan.backend
            )

    def record(self, index: int) -> CollectedEpisode:
        """Run one episode and keep it if it succeeded."""
        plan = self.plan
        mode, seed = plan.mode(index), plan.seed + index
        shown = demonstrate(self.simulation, self.rig, mode, seed, plan.noise_rad)
        if shown.success:
            write_episode(episode_path(plan.directory, index), as_episode(shown, plan, index))
        else:
            plan.failure(index).parent.mkdir(parents=True, exist_ok=True)
            plan.failure(index).write_text(f"mode {mode} seed {seed}\n")
        return CollectedEpisode(index, mode, shown.success, len(shown.positions) / CONTROL_HZ)


def as_episode(shown: Demonstration, plan: CollectionPlan, index: int) -> Episode:
    """Return a successful demonstration as episode number `index` of a plan."""
    measured = (shown.positions, shown.object_states) if plan.things else (shown.positions,)
    return Episode(
        task=plan.task,
        seed=plan.seed + index,
        mode=plan.mode(index),
        outcome="success",
        termination_reason="success",
        state_names=plan.state_names,
        action_names=DUAL_UR5E_JOINTS,
        step_s=1 / CONTROL_HZ,
        states=np.concatenate(measured, axis=1),
        actions=shown.actions,
        rewards=shown.rewards,
        stamps_ns=shown.stamps_ns,
        images=shown.images,
    )


_recorders: list[EpisodeCollector] = []


def _start(plan: CollectionPlan) -> None:
    _recorders[:] = [EpisodeCollector(plan)]


def _record(index: int) -> CollectedEpisode:
    return _recorders[0].record(index)


def backend_of(plan: CollectionPlan) -> str:
    """Return what will draw, or `none`; what does not work fails here and not in a worker.

    Raises:
        ConfigError: If the plan's backend does not work here.
    """
    if not plan.size:
        return "none"
    with open_cameras(Simulation(plan.task).model, CAMERAS, 8, 8, plan.backend) as rig:
        return rig.backend


def recorded(plan: CollectionPlan, index: int) -> CollectedEpisode | None:
    """Return the outcome of an episode recorded before, or None if it has to be recorded.

    Raises:
        ConfigError: If the folder holds another task, mode or seed under that number.
    """
    mode = plan.mode(index)
    if plan.failure(index).exists():
        return CollectedEpisode(index, mode, False, 0.0)
    path = episode_path(plan.directory, index)
    try:
        episode = read_episode(path)
    except EpisodeError:
        return None
    found = (episode.task, episode.mode, episode.seed, bool(episode.images))
    wanted = (plan.task, mode, plan.seed + index, plan.size > 0)
    if episode.state_names != plan.state_names:
        raise ConfigError(
            f"{path} has states {', '.join(episode.state_names)}, this command would record "
            f"{', '.join(plan.state_names)}: use another --out"
        )
    if found != wanted:
        raise ConfigError(
            f"{path} has (task, mode, seed, images) = {found}, this command would record "
            f"{wanted}: use another --out, or the settings in dataset.yaml"
        )
    return CollectedEpisode(index, mode, True, len(episode) * episode.step_s)


def run_all(plan: CollectionPlan, missing: list[int], workers: int) -> Iterator[CollectedEpisode]:
    """Record episodes in worker processes; yields each as it is finished."""
    return run_each(_record, missing, workers, start=_start, start_with=(plan,))


def record(plan: CollectionPlan, count: int, workers: int) -> Iterator[CollectedEpisode]:
    """Record until `count` episodes are solved; yields those, old and new, as they come."""
    plan.directory.mkdir(parents=True, exist_ok=True)
    tried, solved = 0, 0
    while solved < count:
        indices = range(tried, tried + count - solved)
        outcomes = {index: recorded(plan, index) for index in indices}
        missing = [index for index, outcome in outcomes.items() if outcome is None]
        for outcome in chain(outcomes.values(), run_all(plan, missing, workers)):
            if outcome is not None and outcome.success:
                solved += 1
                yield outcome
        tried = indices.stop
