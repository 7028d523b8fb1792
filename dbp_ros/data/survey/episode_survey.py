"""Size, ranges and stamps of one episode."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dbp_ros.data.checks.cameras import check_cameras
from dbp_ros.data.checks.finding import EpisodeFinding
from dbp_ros.data.checks.stamps import check_stamps
from dbp_ros.data.episode import Episode, require_steps
from dbp_ros.data.spec import SetSpec, spec_of
from dbp_ros.types import Floats

Bounds = tuple[float, float]


@dataclass(frozen=True)
class EpisodeSurvey:
    """Properties of one episode for the survey of its data set.

    Attributes:
        name: Name of the episode.
        spec: Columns, step, and shapes of the sensors.
        steps: Number of rows.
        intervention_steps: Rows that a human drove; None for a demonstration.
        states: Smallest and largest value of each column.
        actions: Smallest and largest value of each column.
        sensors: Smallest and largest value of each camera and point cloud.
        findings: Faults of the stamps and cameras.
        repeats_state: Whether each action equals the state of its row.
    """

    name: str
    spec: SetSpec
    steps: int
    intervention_steps: int | None
    states: tuple[Bounds, ...]
    actions: tuple[Bounds, ...]
    sensors: dict[str, Bounds]
    findings: tuple[EpisodeFinding, ...]
    repeats_state: bool

    @classmethod
    def of(cls, name: str, episode: Episode) -> "EpisodeSurvey":
        """Survey an episode.

        Raises:
            EpisodeError: If it has no steps.
        """
        require_steps(name, episode)
        sensors: dict[str, NDArray[Any]] = {**episode.images, **episode.points}
        return cls(
            name=name,
            spec=spec_of(episode),
            steps=len(episode),
            intervention_steps=episode.intervention_steps,
            states=_bounds(episode.states),
            actions=_bounds(episode.actions),
            sensors={key: (float(rows.min()), float(rows.max())) for key, rows in sensors.items()},
            findings=(*check_stamps(name, episode), *check_cameras(name, episode)),
            repeats_state=episode.state_names == episode.action_names
            and np.array_equal(episode.states, episode.actions),
        )


def _bounds(values: Floats) -> tuple[Bounds, ...]:
    lows, highs = values.min(axis=0), values.max(axis=0)
    return tuple((float(low), float(high)) for low, high in zip(lows, highs, strict=True))
