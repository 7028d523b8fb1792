"""Size, ranges and stamps of one episode."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import RowShape
from dbp_ros.types import NS_PER_S, Floats

Bounds = tuple[float, float]


@dataclass(frozen=True)
class EpisodeSurvey:
    """What is needed of one episode after reading it.

    Attributes:
        name: Name of the episode.
        steps: Number of rows.
        step_s: Nominal time between two rows, in [s].
        intervention_steps: Rows that a human drove; None for a demonstration.
        longest_gap_s: Longest time between two stamps, in [s].
        state_names: Columns of the state.
        action_names: Columns of the action.
        states: Smallest and largest value of each column.
        actions: Smallest and largest value of each column.
        sensors: Smallest and largest value of each camera and point cloud.
        shapes: Shape of a row of each camera and point cloud.
        cameras: Names of the cameras.
        frozen: Cameras whose images are all equal.
        repeats_state: Whether each action equals the state of its row.
    """

    name: str
    steps: int
    step_s: float
    intervention_steps: int | None
    longest_gap_s: float
    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    states: tuple[Bounds, ...]
    actions: tuple[Bounds, ...]
    sensors: dict[str, Bounds]
    shapes: dict[str, RowShape]
    cameras: tuple[str, ...]
    frozen: tuple[str, ...]
    repeats_state: bool

    @classmethod
    def of(cls, name: str, episode: Episode) -> "EpisodeSurvey":
        """Survey an episode."""
        sensors: dict[str, NDArray[Any]] = {**episode.images, **episode.points}
        gaps_ns = np.diff(episode.stamps_ns)
        return cls(
            name=name,
            steps=len(episode),
            step_s=episode.step_s,
            intervention_steps=episode.intervention_steps,
            longest_gap_s=float(gaps_ns.max(initial=0)) / NS_PER_S,
            state_names=episode.state_names,
            action_names=episode.action_names,
            states=_bounds(episode.states),
            actions=_bounds(episode.actions),
            sensors={key: (float(rows.min()), float(rows.max())) for key, rows in sensors.items()},
            shapes={key: tuple(rows.shape[1:]) for key, rows in sensors.items()},
            cameras=tuple(episode.images),
            frozen=tuple(k for k, v in episode.images.items() if len(v) > 1 and (v == v[0]).all()),
            repeats_state=episode.state_names == episode.action_names
            and np.array_equal(episode.states, episode.actions),
        )


def _bounds(values: Floats) -> tuple[Bounds, ...]:
    lows, highs = values.min(axis=0), values.max(axis=0)
    return tuple((float(low), float(high)) for low, high in zip(lows, highs, strict=True))
