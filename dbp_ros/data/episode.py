"""One episode, and its file: a compressed NumPy archive.

Row `t` of every array belongs to one control step: the observation at its start, and the command
for its end.
"""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.errors import EpisodeError
from dbp_ros.files import atomic_file
from dbp_ros.types import Flags, Floats, Image

SUFFIX = ".npz"
EPISODE_FILES = f"episode_*{SUFFIX}"
# File of the metadata in an episode, which other .npz files do not have.
METADATA_FILE = "facts.npy"
DATASET_FILE = "dataset.yaml"


@dataclass(frozen=True)
class Episode:
    """Observations, actions and rewards of one episode.

    Attributes:
        task: Name of the task.
        seed: Seed of the reset, or -1 if unknown.
        mode: Strategy of the demonstrator, or empty.
        outcome: `success` or `failure`.
        termination_reason: `success`, `failure`, `time_limit`, `operator`, ...
        state_names: Names of the columns of `states`.
        action_names: Names of the columns of `actions`; a joint has the same name in both.
        step_s: Time between two rows, in [s].
        states: Measured joints in [rad], grippers in [m]. Shape (steps, ns).
        actions: Command for one step later, same units. Shape (steps, nu).
        rewards: Reward of each step. Shape (steps,).
        stamps_ns: Time at which `states` were measured. Shape (steps,).
        images: Newest image of each camera. Shapes (steps, height, width, 3).
        points: Newest point cloud of each sensor: x, y, z in [m], optionally colours from 0 to 1.
            Shapes (steps, points, 3 or 6).
        interventions: Whether a human drove each step of an episode of a policy; None for a
            demonstration. Shape (steps,).
        origin_ns: Time from which the times of labels count; None for the first row. The first row
            of a recording depends on what is read of it.
    """

    task: str
    seed: int
    mode: str
    outcome: str
    termination_reason: str
    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    step_s: float
    states: Floats
    actions: Floats
    rewards: Floats
    stamps_ns: NDArray[np.int64]
    images: dict[str, Image] = field(default_factory=dict)
    points: dict[str, Floats] = field(default_factory=dict)
    interventions: Flags | None = None
    origin_ns: int | None = None

    def __len__(self) -> int:
        return len(self.states)

    def __post_init__(self) -> None:
        """Reject arrays of inconsistent shapes.

        Raises:
            EpisodeError: With the field, its shape and the expected shape.
        """
        steps = len(self.states)
        expected = {
            "states": (steps, len(self.state_names)),
            "actions": (steps, len(self.action_names)),
            "rewards": (steps,),
            "stamps_ns": (steps,),
        }
        for name, shape in expected.items():
            value = getattr(self, name)
            if value.shape != shape:
                raise EpisodeError(
                    f"{name} has shape {value.shape}, expected {shape}: a row for each of the "
                    f"{steps} steps, a column for each name"
                )
            _check_finite(name, value)
        for camera, images in self.images.items():
            if images.shape[:1] + images.shape[3:] != (steps, 3):
                raise EpisodeError(
                    f"{camera} has shape {images.shape}, expected ({steps}, height, width, 3)"
                )
        for sensor, cloud in self.points.items():
            if cloud.ndim != 3 or len(cloud) != steps or cloud.shape[2] not in (3, 6):
                raise EpisodeError(
                    f"{sensor} has shape {cloud.shape}, expected ({steps}, points, 3 or 6)"
                )
            _check_finite(sensor, cloud)
        flags = self.interventions
        if flags is not None and (flags.shape != (steps,) or flags.dtype != bool):
            raise EpisodeError(
                f"interventions has shape {flags.shape} of {flags.dtype}, expected ({steps},) of "
                "bool: whether a human drove each step"
            )

    @property
    def by_policy(self) -> Flags:
        """Whether a policy, not a human, drove each step. Shape (steps,)."""
        return np.zeros(len(self), bool) if self.interventions is None else ~self.interventions

    @property
    def intervention_steps(self) -> int | None:
        """Number of steps that a human drove, None for a demonstration."""
        return None if self.interventions is None else int(self.interventions.sum())

    def interventions_at(self, rows: slice) -> Flags | None:
        """Return the interventions of some rows, None for a demonstration."""
        return None if self.interventions is None else self.interventions[rows]


def require_steps(name: str, episode: Episode) -> None:
    """Check that an episode has a step.

    Raises:
        EpisodeError: If it has none.
    """
    if not len(episode):
        raise EpisodeError(
            f"{name} has no steps: discard it with dbp episodes label, or record it again"
        )


def _check_finite(name: str, value: NDArray[Any]) -> None:
    if not np.isfinite(value).all():
        row = int(np.argwhere(~np.isfinite(value))[0][0])
        raise EpisodeError(f"{name} is not finite at step {row}: drop the episode")


def episode_path(directory: Path, index: int) -> Path:
    """Return the path of an episode of a data set."""
    return directory / f"episode_{index:06d}{SUFFIX}"


def write_episode(path: Path, episode: Episode) -> None:
    """Write an episode atomically."""
    metadata = {
        "format": 2,
        "task": episode.task,
        "seed": episode.seed,
        "mode": episode.mode,
        "outcome": episode.outcome,
        "termination_reason": episode.termination_reason,
        "state_names": list(episode.state_names),
        "action_names": list(episode.action_names),
        "step_s": episode.step_s,
    }
    arrays: dict[str, Any] = {
        f"images.{camera}": images for camera, images in episode.images.items()
    }
    arrays |= {f"points.{sensor}": cloud for sensor, cloud in episode.points.items()}
    if episode.interventions is not None:
        arrays["interventions"] = episode.interventions
    with atomic_file(path) as staging, staging.open("wb") as file:
        np.savez_compressed(
            file,
            facts=np.array(json.dumps(metadata)),
            states=episode.states,
            actions=episode.actions,
            rewards=episode.rewards,
            stamps_ns=episode.stamps_ns,
            **arrays,
        )


def read_episode(path: Path) -> Episode:
    """Read one episode.

    Raises:
        EpisodeError: If the file is missing, truncated or not an episode.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            metadata = json.loads(str(archive["facts"]))
            return Episode(
                task=metadata["task"],
                seed=metadata["seed"],
                mode=metadata["mode"],
                outcome=metadata["outcome"],
                termination_reason=metadata["termination_reason"],
                state_names=tuple(metadata["state_names"]),
                action_names=tuple(metadata["action_names"]),
                step_s=metadata["step_s"],
                states=archive["states"],
                actions=archive["actions"],
                rewards=archive["rewards"],
                stamps_ns=archive["stamps_ns"],
                images=_with_prefix("images.", archive),
                points=_with_prefix("points.", archive),
                interventions=archive.get("interventions"),
            )
    except EpisodeError as error:
        raise EpisodeError(f"{path}: {error}") from error
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise EpisodeError(
            f"{path} is not a complete episode ({error}): record it again"
        ) from error


def _with_prefix(prefix: str, archive: Any) -> dict[str, Any]:
    names = [name for name in archive.files if name.startswith(prefix)]
    return {name.removeprefix(prefix): archive[name] for name in names}


def episode_paths(directory: Path) -> list[Path]:
    """Return the episode files of a data set, in order.

    Raises:
        EpisodeError: If the folder does not exist or has no episode.
    """
    paths = sorted(directory.glob(EPISODE_FILES))
    if not paths:
        raise EpisodeError(f"{directory} has no {EPISODE_FILES}: record some with `dbp collect`")
    return paths


def is_episode_file(path: Path) -> bool:
    """Return whether an `.npz` file is an episode of this package, or damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            return METADATA_FILE in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return True


def read_episodes(directory: Path) -> Iterator[Episode]:
    """Yield the episodes of a data set, in order."""
    return map(read_episode, episode_paths(directory))
