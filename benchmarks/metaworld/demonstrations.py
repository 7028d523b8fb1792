"""Demonstrations of Meta-World's scripted experts, recorded once."""

import os
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from dbp_ros.data.episode import Episode, episode_path, read_episodes, write_episode
from dbp_ros.envs.hand_frame import HAND_FRAME_NAMES, to_hand_frame
from dbp_ros.envs.metaworld_tasks import (
    ACTION_NAMES,
    DEMONSTRATION_GOALS,
    STATE_NAMES,
    STEP_S,
    MetaworldTask,
)
from dbp_ros.learning.dataset import Demonstrations, join_episodes
from dbp_ros.types import seconds_to_ns

# Noise on the executed expert actions, whose range is 1; see `demonstrate`.
RECORDED_NOISE = 0.1
RECORDED = "demonstrations"


def record(task: MetaworldTask, seed: int, count: int, directory: Path) -> Demonstrations:
    """Return demonstrations of the first `count` goals that the expert solves, recorded once."""
    # The name holds the noise, so recordings with other noise are not reused.
    folder = directory / f"{task.name}_{seed}_{RECORDED_NOISE}"
    if not folder.exists():
        _record_all(task, seed, folder)
    episodes = islice(read_episodes(folder), count)
    demonstrations = join_episodes(
        (episode, f"{task.name} {index}") for index, episode in enumerate(episodes)
    )
    return replace(
        demonstrations, states=to_hand_frame(demonstrations.states), state_names=HAND_FRAME_NAMES
    )


def _record_all(task: MetaworldTask, seed: int, folder: Path) -> None:
    """Record every goal; of several concurrent workers, the first result is used."""
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    for goal in DEMONSTRATION_GOALS:
        demonstration = task.demonstrate(goal, RECORDED_NOISE)
        if demonstration is None:
            continue
        steps = len(demonstration.states)
        episode = Episode(
            task=task.name,
            seed=seed,
            mode="expert",
            outcome="success",
            termination_reason="success",
            state_names=STATE_NAMES,
            action_names=ACTION_NAMES,
            step_s=STEP_S,
            states=demonstration.states,
            actions=demonstration.actions,
            rewards=np.zeros(steps, np.float32),
            stamps_ns=np.arange(steps) * seconds_to_ns(STEP_S),
        )
        write_episode(episode_path(aside, goal), episode)
    try:
        aside.rename(folder)
    except OSError:
        if not folder.exists():
            raise
