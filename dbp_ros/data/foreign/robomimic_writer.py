"""Export of episodes as a data set of robomimic: one HDF5 file.

The state is `obs/state`, each camera and point cloud an observation of its own name. Names of the
columns of `obs/state` and `actions` are in their attribute `names`; robomimic itself has none.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.data.exports import Report, RobomimicExport
from dbp_ros.data.foreign.robomimic import (
    ACTIONS,
    INTERVENTIONS,
    NAMES,
    OUTCOME,
    REWARDS,
    STAMPS_NS,
    TASK,
)
from dbp_ros.data.uniform_episodes import uniform_episodes
from dbp_ros.errors import EpisodeError
from dbp_ros.files import atomic_file

Values = NDArray[Any]
STATE = "state"
# Type of environments of Gym in robomimic, which has none for robots.
GYM_TYPE = 2
COMPRESSION = {"compression": "gzip", "compression_opts": 1}


def write_robomimic(
    episodes: EpisodeSet,
    path: Path,
    config: RobomimicExport,
    report: Report = lambda written: None,
) -> None:
    """Write a set as an HDF5 file of robomimic, which replaces an older file when complete.

    Args:
        episodes: The set.
        path: File to write.
        config: Filter keys of the file.
        report: Called with the number of episodes written.

    Raises:
        EpisodeError: If an episode is damaged or differs from the first, or two observations get
            the same key.
    """
    with atomic_file(path) as staging, h5py.File(staging, "w") as file:
        data = file.create_group("data")
        successes: list[bool] = []
        tasks: dict[str, None] = {}
        rewarded, total, step_s = True, 0, 0.0
        for index, episode in enumerate(uniform_episodes(episodes)):
            _write_demonstration(data.create_group(_name(index)), episode)
            success = episode.outcome == "success"
            successes.append(success)
            rewarded &= bool((episode.rewards > 0).any()) == success
            tasks[episode.task], step_s = None, episode.step_s
            total += len(episode)
            report(index + 1)
        data.attrs["total"] = total
        data.attrs["env_args"] = json.dumps(_environment(", ".join(tasks), step_s, rewarded))
        for key, numbers in _filters(successes, config.validation_fraction).items():
            file[f"mask/{key}"] = np.array([_name(number).encode() for number in numbers], "S")


def _name(index: int) -> str:
    return f"demo_{index}"


def _write_demonstration(demo: Any, episode: Episode) -> None:
    steps = len(episode)
    demo.attrs["num_samples"] = steps
    demo.attrs[TASK], demo.attrs[OUTCOME] = episode.task, episode.outcome
    demo[ACTIONS] = episode.actions
    demo[ACTIONS].attrs[NAMES] = list(episode.action_names)
    demo[REWARDS] = episode.rewards
    demo["dones"] = (np.arange(steps) == steps - 1).astype(np.int64)
    demo[STAMPS_NS] = episode.stamps_ns
    if episode.interventions is not None:
        demo[INTERVENTIONS] = episode.interventions
    observations = demo.create_group("obs")
    for key, values in _observations(episode).items():
        options = COMPRESSION | {"chunks": (1, *values.shape[1:])} if values.ndim > 2 else {}
        observations.create_dataset(key, data=values, **options)
    if episode.state_names:
        observations[STATE].attrs[NAMES] = list(episode.state_names)


def _observations(episode: Episode) -> dict[str, Values]:
    """Return the observations by key.

    Raises:
        EpisodeError: If two get the same key.
    """
    found: dict[str, Values] = {STATE: episode.states} if episode.state_names else {}
    sensors: Mapping[str, Values] = {**episode.images}
    for name, values in [*sensors.items(), *episode.points.items()]:
        # A topic would become nested groups.
        key = name.strip("/").replace("/", "_")
        if key in found:
            raise EpisodeError(f"two observations become the key {key}: select one of them")
        found[key] = values
    return found


def _environment(task: str, step_s: float, rewarded: bool) -> dict[str, Any]:
    """Return the environment.

    Args:
        task: Name of the task.
        step_s: Time between two rows, in [s].
        rewarded: Whether exactly the successful episodes have a reward above 0, which robomimic
            calls a sparse reward.
    """
    arguments: dict[str, Any] = {"control_freq": round(1 / step_s, 6)}
    if rewarded:
        arguments["reward_shaping"] = False
    return {"env_name": task, "type": GYM_TYPE, "env_kwargs": arguments}


def _filters(successes: list[bool], validation_fraction: float) -> dict[str, list[int]]:
    """Return the numbers of the demonstrations of each filter key that is not empty."""
    count = len(successes)
    wanted = round(validation_fraction * count)
    # Spread over the recording, because what was recorded together is similar.
    valid = {int((index + 0.5) * count / wanted) for index in range(wanted)}
    filters = {
        "train": [number for number in range(count) if number not in valid],
        "valid": sorted(valid),
        "success": [number for number in range(count) if successes[number]],
    }
    return {key: numbers for key, numbers in filters.items() if numbers}
