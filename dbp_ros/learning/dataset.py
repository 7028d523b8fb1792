"""A data set of episodes in memory, with its observations and action chunks."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dbp_ros.data.checks.following import changes_as_actions
from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import RowShape
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.read_errors import error_context
from dbp_ros.data.selection import AS_RECORDED, DEFAULT_SELECTION, Selection
from dbp_ros.data.spec import CONSTANT_BELOW
from dbp_ros.data.uniform_episodes import require_uniform
from dbp_ros.data.unit_check import check_units, column_ranges
from dbp_ros.data.units import BY_NAME, ColumnUnits
from dbp_ros.errors import EpisodeError, TrainingError
from dbp_ros.learning.arrays import Nested, column_names, concatenate, episode_rows
from dbp_ros.learning.batch import DemonstrationBatch
from dbp_ros.learning.observation_neighbours import Neighbours
from dbp_ros.robots.arm_solver import ArmSolver
from dbp_ros.types import Flags, Floats, Image


@dataclass(frozen=True)
class Demonstrations:
    """All episodes, concatenated.

    Attributes:
        state_names: Names of the columns of `states`.
        action_names: Names of the columns of `actions`.
        step_s: Time between two rows, in [s].
        states: Shape (steps, ns).
        actions: Shape (steps, nu).
        images: rgb8 of each camera. Shapes (steps, height, width, 3).
        points: Point clouds of each sensor. Shapes (steps, points, channels).
        first: First row of each row's episode. Shape (steps,).
        last: Last row of each row's episode. Shape (steps,).
        episode: Number of each row's recording. Shape (steps,).
        by_policy: Whether a policy, not a human, drove each row. Shape (steps,).
        failed: Number of recordings with the outcome `failure`.
        units: Units of the columns.
        robot: Name or file of the robot's description; empty if unknown.
        unused: Shape of a row of each key of the data set that is not read.
    """

    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    step_s: float
    states: Floats
    actions: Floats
    images: dict[str, Image]
    points: dict[str, Floats]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    episode: NDArray[np.int64]
    by_policy: Flags
    failed: int = 0
    units: ColumnUnits = BY_NAME
    robot: str = ""
    unused: Mapping[str, RowShape] = field(default_factory=dict)

    @classmethod
    def from_arrays(
        cls,
        states: Nested,
        actions: Nested,
        *,
        step_s: float,
        images: Mapping[str, Nested] | None = None,
        episode_ends: Sequence[int] | None = None,
        state_names: Sequence[str] = (),
        action_names: Sequence[str] = (),
    ) -> "Demonstrations":
        """Build a data set from arrays in memory.

        An action is the command for one step after the state of its row. Columns whose names end
        in `joint` are joints in [rad], those that end in `gripper_joint` are in [m]. An action of a
        joint is learned relative to the state of the same name. If the data are pairs of an
        observation and a chunk, make episodes of one step with the flattened chunk as the action,
        and train with `horizon=1`.

        Args:
            states: Of each episode, shape (steps, ns): a list of arrays, or one array of shape
                (episodes, steps, ns), or (steps, ns) with `episode_ends`.
            actions: The same with (steps, nu).
            step_s: Time between two rows in [s].
            images: rgb8 of each camera, the same with (steps, height, width, 3), uint8.
            episode_ends: Row after the last of each episode, for concatenated arrays; one episode
                if None.
            state_names: Of the columns; `state.0` and so on if empty.
            action_names: Of the columns; `action.0` and so on if empty.

        Raises:
            TrainingError: If the arrays do not match, or a number is not finite.
        """
        if not 0 < step_s < math.inf:
            raise TrainingError(f"step_s = {step_s}, expected a finite time above 0 s")
        arrays = concatenate(states, actions, images or {}, episode_ends)
        first, last, numbers = episode_rows(arrays.lengths)
        return cls(
            state_names=column_names(state_names, "state", arrays.states.shape[1]),
            action_names=column_names(action_names, "action", arrays.actions.shape[1]),
            step_s=step_s,
            states=arrays.states,
            actions=arrays.actions,
            images=arrays.images,
            points={},
            first=first,
            last=last,
            episode=numbers,
            by_policy=np.zeros(len(numbers), bool),
        )

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return int(self.episode[-1]) + 1

    def chunks(self, rows: NDArray[np.int64], horizon: int) -> Floats:
        """Return the actions from each row on; the last action of an episode is repeated.

        Args:
            rows: Any shape (...).
            horizon: Points in a chunk.

        Returns:
            Shape (..., horizon, nu).
        """
        ahead = np.minimum(rows[..., None] + np.arange(horizon), self.last[rows][..., None])
        chunks: Floats = self.actions[ahead]
        return chunks

    def state_history(self, rows: NDArray[np.int64], n_obs_steps: int) -> Floats:
        """Return the states up to each row; the first state of an episode is repeated.

        Returns:
            Oldest first. Shape (B, history, ns).
        """
        past = rows[:, None] - np.arange(n_obs_steps)[::-1]
        states: Floats = self.states[np.maximum(past, self.first[rows][:, None])]
        return states

    def batch(
        self,
        rows: NDArray[np.int64],
        horizon: int,
        n_obs_steps: int = 1,
        camera_lags: dict[str, NDArray[np.int64]] | None = None,
        neighbours: Neighbours | None = None,
    ) -> DemonstrationBatch:
        """Gather observations and chunks.

        Args:
            rows: Newest row of each observation. Shape (B,).
            horizon: Points in a chunk.
            n_obs_steps: Rows of an observation; the first row of an episode is repeated.
            camera_lags: Delay of each camera in rows. Shapes (B,).
            neighbours: Rows whose chunks are added as positives.
        """
        past = rows[:, None] - np.arange(n_obs_steps)[::-1]
        first = self.first[rows][:, None]
        images = {}
        for camera, frames in self.images.items():
            lag = 0 if camera_lags is None else camera_lags[camera][:, None]
            images[camera] = torch.from_numpy(frames[np.maximum(past - lag, first)])
        observed = np.maximum(past, first)
        starts, weights = rows[:, None], np.ones((len(rows), 1), np.float32)
        if neighbours is not None:
            starts = np.concatenate([starts, neighbours.rows[rows]], axis=1)
            weights = np.concatenate([weights, neighbours.weights[rows]], axis=1)
        return DemonstrationBatch(
            states=torch.from_numpy(self.state_history(rows, n_obs_steps)),
            images=images,
            points={name: torch.from_numpy(cloud[observed]) for name, cloud in self.points.items()},
            measured=torch.from_numpy(self.states[starts]),
            actions=torch.from_numpy(self.chunks(starts, horizon)),
            weights=torch.from_numpy(weights),
        )

    def constant_actions(self) -> tuple[str, ...]:
        """Return the names of the constant columns of the actions."""
        constant = np.ptp(self.actions, axis=0) <= CONSTANT_BELOW
        return tuple(n for n, c in zip(self.action_names, constant, strict=True) if c)


def load_demonstrations(path: Path, selection: Selection = DEFAULT_SELECTION) -> Demonstrations:
    """Read a whole data set into memory.

    Raises:
        TrainingError: If it is empty, lacks a key of the selection, an episode is damaged or
            differs from the first, the unit of a joint is undecided or contradicts its values, or
            its actions are changes of its position.
    """
    try:
        episodes = open_episodes(path, selection, ArmSolver)
        units = ColumnUnits.of_selection(selection)
        found = join_episodes(
            (episodes.read(index), name) for index, name in enumerate(episodes.names)
        )
        # The phases of a subsampled recording are one episode: they differ by less than a step.
        found = replace(
            found,
            episode=found.episode // (selection.stride or 1),
            failed=found.failed // (selection.stride or 1),
            units=units,
            robot=selection.robot,
            unused=episodes.unused,
        )
        columns = column_ranges("state", found.state_names, found.states, units)
        columns += column_ranges("action", found.action_names, found.actions, units)
        with error_context(str(path)):
            check_units(columns, selection)
            _check_positions(found)
    except EpisodeError as error:
        raise TrainingError(str(error)) from error
    return found


def _check_positions(data: Demonstrations) -> None:
    """Require that actions of arm joints are positions, as the policy node commands them."""
    names = data.state_names, data.action_names
    if joints := changes_as_actions(data.states, data.actions, names, data.episode, data.units):
        raise EpisodeError(
            f"the actions of {', '.join(joints)} are changes of the positions, not positions: set "
            "action_kind to delta in the data of a robot description and give it by --robot, give "
            f"--units {AS_RECORDED} for a policy that only a simulator runs, or choose other "
            "actions by --action"
        )


def join_episodes(episodes: Iterable[tuple[Episode, str]]) -> Demonstrations:
    """Concatenate episodes.

    Args:
        episodes: Pairs of an episode and its name for error messages.

    Raises:
        TrainingError: If there are none, or one has no steps or differs from the first.
    """
    joined: list[Episode] = []
    images: dict[str, list[Image]] = {}
    clouds: dict[str, list[Floats]] = {}
    try:
        for episode in require_uniform((name, episode) for episode, name in episodes):
            for camera, frames in episode.images.items():
                images.setdefault(camera, []).append(frames)
            for sensor, cloud in episode.points.items():
                clouds.setdefault(sensor, []).append(cloud)
            joined.append(replace(episode, images={}, points={}))
    except EpisodeError as error:
        raise TrainingError(str(error)) from error
    if not joined:
        raise TrainingError("expected at least one episode, got none: record some first")
    first, last, numbers = episode_rows([len(episode) for episode in joined])
    return Demonstrations(
        state_names=joined[0].state_names,
        action_names=joined[0].action_names,
        step_s=joined[0].step_s,
        states=np.concatenate([e.states for e in joined]).astype(np.float32),
        actions=np.concatenate([e.actions for e in joined]).astype(np.float32),
        images={name: _concatenated(images, name) for name in list(images)},
        points={name: _concatenated(clouds, name) for name in list(clouds)},
        first=first,
        last=last,
        episode=numbers,
        by_policy=np.concatenate([e.by_policy for e in joined]),
        failed=sum(e.outcome == "failure" for e in joined),
    )


def _concatenated(parts: dict[str, list[Any]], name: str) -> Any:
    """Concatenate the arrays of one sensor and free the parts."""
    return np.concatenate(parts.pop(name))
