"""Features of an episode in a LeRobot data set, and its rows."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from PIL import Image as PilImage

from dbp_ros.data.episode import Episode
from dbp_ros.data.lerobot_layout import (
    ACTION,
    DONE,
    EPISODE,
    FRAME,
    IMAGES,
    REWARD,
    ROW,
    SECONDS,
    STAMP_NS,
    STATE,
    SUCCESS,
    TASK,
)
from dbp_ros.errors import EpisodeError
from dbp_ros.types import Image

Values = NDArray[Any]
OBSERVATION = "observation."
POINTS = "observation.points."
# Rates of cameras are whole, or as 30000/1001.
MAX_DENOMINATOR = 1001
PNG_COMPRESSION = 3


@dataclass(frozen=True)
class LeRobotSchema:
    """What all episodes of a set have in common.

    Attributes:
        state_names: Names of the columns of the state.
        action_names: Names of the columns of the action.
        step_s: Time between two rows, in [s].
        cameras: Height and width of each camera.
        sensors: Number of points and channels of each point cloud.
    """

    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    step_s: float
    cameras: Mapping[str, tuple[int, int]]
    sensors: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, episode: Episode) -> "LeRobotSchema":
        """Return the schema of an episode.

        Raises:
            EpisodeError: If two cameras or sensors get the same key.
        """
        for prefix, names in ((IMAGES, episode.images), (POINTS, episode.points)):
            _check_unique(prefix, names)
        return cls(
            state_names=episode.state_names,
            action_names=episode.action_names,
            step_s=episode.step_s,
            cameras={name: images.shape[1:3] for name, images in episode.images.items()},
            sensors={name: cloud.shape[1:] for name, cloud in episode.points.items()},
        )

    def check(self, episode: Episode) -> None:
        """Check that an episode has this schema.

        Raises:
            EpisodeError: With the first difference.
        """
        if len(episode) == 0:
            raise EpisodeError("has no steps, expected at least one: drop the episode")
        other = LeRobotSchema.of(episode)
        for name in self.__dataclass_fields__:
            expected, found = getattr(self, name), getattr(other, name)
            if found != expected:
                raise EpisodeError(
                    f"{name} are {found}, expected {expected} as in the first episode: export "
                    "data sets of different robots, cameras or rates separately"
                )

    @property
    def rate_hz(self) -> Fraction:
        """Nominal rate of the rows."""
        return Fraction(1 / self.step_s).limit_denominator(MAX_DENOMINATOR)

    @property
    def fps(self) -> float | int:
        """Rate as it stands in `meta/info.json`."""
        return int(self.rate_hz) if self.rate_hz.denominator == 1 else float(self.rate_hz)

    def numbers(self) -> dict[str, dict[str, Any]]:
        """Return the features of numbers, in the order of the columns."""
        features: dict[str, dict[str, Any]] = {}
        if self.state_names:
            features[STATE] = _feature("float32", [len(self.state_names)], self.state_names)
        features[ACTION] = _feature("float32", [len(self.action_names)], self.action_names)
        for sensor, shape in self.sensors.items():
            features[feature_key(POINTS, sensor)] = _feature("float32", list(shape))
        features |= {REWARD: _feature("float32"), DONE: _feature("bool")}
        features |= {SUCCESS: _feature("bool"), STAMP_NS: _feature("int64")}
        features[SECONDS] = _feature("float32")
        features |= {key: _feature("int64") for key in (FRAME, EPISODE, ROW, TASK)}
        return features

    def values(self, episode: Episode, index: int, first_row: int, task: int) -> dict[str, Values]:
        """Return the rows of the features of numbers.

        The success of an episode is in its last row.

        Args:
            episode: The episode.
            index: Its index.
            first_row: Number of rows of the episodes before it.
            task: Index of its task.
        """
        steps = len(episode)
        frames = np.arange(steps)
        is_last = frames == steps - 1
        values: dict[str, Values] = {STATE: episode.states} if self.state_names else {}
        values[ACTION] = episode.actions
        values |= {feature_key(POINTS, name): cloud for name, cloud in episode.points.items()}
        values |= {
            REWARD: episode.rewards,
            DONE: is_last,
            SUCCESS: is_last & (episode.outcome == "success"),
            STAMP_NS: episode.stamps_ns,
            SECONDS: frames / float(self.rate_hz),
            FRAME: frames,
            EPISODE: np.full(steps, index),
            ROW: first_row + frames,
            TASK: np.full(steps, task),
        }
        features = self.numbers()
        return {key: value.astype(features[key]["dtype"]) for key, value in values.items()}


def feature_key(prefix: str, name: str) -> str:
    """Return the key of a camera or sensor, whose name may be a topic."""
    plain = name.strip("/").replace("/", "_")
    return plain if plain.startswith(OBSERVATION) else f"{prefix}{plain}"


def to_column(values: Values) -> Any:
    """Return rows as a column: scalars, lists of fixed size, or lists of lists."""
    if values.ndim == 1:
        return pyarrow.array(values)
    width = values.shape[-1]
    flat = pyarrow.array(values.reshape(-1))
    if values.ndim == 2:
        return pyarrow.FixedSizeListArray.from_arrays(flat, width)
    steps, height = values.shape[:2]
    offsets = np.arange(steps * height + 1, dtype=np.int32)
    lists = pyarrow.ListArray.from_arrays(offsets * width, flat)
    return pyarrow.ListArray.from_arrays(offsets[: steps + 1] * height, lists)


def to_cells(images: Image) -> Any:
    """Return images as a column of PNG files."""
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    cells = [
        {"bytes": _png(pixels), "path": f"frame-{step:06d}.png"}
        for step, pixels in enumerate(images)
    ]
    return pyarrow.array(cells, kind)


def _png(pixels: Image) -> bytes:
    buffer = io.BytesIO()
    PilImage.fromarray(pixels).save(buffer, "PNG", compress_level=PNG_COMPRESSION)
    return buffer.getvalue()


def _feature(
    dtype: str, shape: list[int] | None = None, names: Iterable[str] | None = None
) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape or [1], "names": None if names is None else list(names)}


def _check_unique(prefix: str, names: Iterable[str]) -> None:
    keys: dict[str, str] = {}
    for name in names:
        key = feature_key(prefix, name)
        if key in keys:
            raise EpisodeError(
                f"{keys[key]} and {name} would both be {key}: select one of them, or rename one"
            )
        keys[key] = name
