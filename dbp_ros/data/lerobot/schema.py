"""Features of an episode in a LeRobot data set, and its rows."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from dbp_ros.data.episode import Episode
from dbp_ros.data.lerobot.layout import (
    ACTION,
    DONE,
    EPISODE,
    FRAME,
    IMAGES,
    INTERVENTION,
    REWARD,
    ROW,
    SECONDS,
    STAMP_NS,
    STATE,
    SUCCESS,
    TASK,
)
from dbp_ros.data.png import encode_png
from dbp_ros.data.spec import SetSpec
from dbp_ros.errors import EpisodeError
from dbp_ros.types import Image

Values = NDArray[Any]
OBSERVATION = "observation."
POINTS = "observation.points."
# Rates of cameras are whole numbers, or as 30000/1001.
MAX_DENOMINATOR = 1001


def rate_of(step_s: float) -> Fraction:
    """Return the nominal rate of rows with this time between them, in [Hz]."""
    return Fraction(1 / step_s).limit_denominator(MAX_DENOMINATOR)


def fps_of(rate_hz: Fraction) -> float:
    """Return a rate as it stands in `meta/info.json`: an integer if it is whole."""
    return int(rate_hz) if rate_hz.denominator == 1 else float(rate_hz)


def camera_keys(cameras: Iterable[str]) -> dict[str, str]:
    """Return the key of each camera.

    Raises:
        EpisodeError: If two get the same key.
    """
    return _keys(IMAGES, cameras)


def number_features(spec: SetSpec) -> dict[str, dict[str, Any]]:
    """Return the features of all columns except images.

    Raises:
        EpisodeError: If two point clouds get the same key.
    """
    features: dict[str, dict[str, Any]] = {}
    if spec.states:
        features[STATE] = _feature("float32", (len(spec.states),), spec.states)
    features[ACTION] = _feature("float32", (len(spec.actions),), spec.actions)
    for sensor, key in _keys(POINTS, spec.points).items():
        features[key] = _feature("float32", spec.points[sensor])
    features |= {REWARD: _feature("float32"), DONE: _feature("bool")}
    features |= {SUCCESS: _feature("bool"), INTERVENTION: _feature("bool")}
    features[STAMP_NS] = _feature("int64")
    features[SECONDS] = _feature("float32")
    features |= {key: _feature("int64") for key in (FRAME, EPISODE, ROW, TASK)}
    return features


def number_rows(episode: Episode, index: int, first_row: int, task: int) -> dict[str, Values]:
    """Return the rows of `number_features`; the success of an episode is in its last row.

    Args:
        episode: The episode.
        index: Its index.
        first_row: Number of rows of the episodes before it.
        task: Index of its task.
    """
    steps = len(episode)
    frames = np.arange(steps, dtype=np.int64)
    is_last = frames == steps - 1
    rows: dict[str, Values] = {STATE: episode.states} if episode.state_names else {}
    rows[ACTION] = episode.actions
    rows |= {key: episode.points[name] for name, key in _keys(POINTS, episode.points).items()}
    rows = {key: values.astype(np.float32) for key, values in rows.items()}
    flags = episode.interventions
    return rows | {
        REWARD: episode.rewards.astype(np.float32),
        DONE: is_last,
        SUCCESS: is_last & (episode.outcome == "success"),
        INTERVENTION: np.ones(steps, bool) if flags is None else flags,
        STAMP_NS: episode.stamps_ns.astype(np.int64),
        SECONDS: (frames / float(rate_of(episode.step_s))).astype(np.float32),
        FRAME: frames,
        EPISODE: np.full(steps, index, np.int64),
        ROW: first_row + frames,
        TASK: np.full(steps, task, np.int64),
    }


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
        {"bytes": encode_png(pixels), "path": f"frame-{step:06d}.png"}
        for step, pixels in enumerate(images)
    ]
    return pyarrow.array(cells, kind)


def _feature(
    dtype: str, shape: tuple[int, ...] = (1,), names: Iterable[str] | None = None
) -> dict[str, Any]:
    named = None if names is None else list(names)
    return {"dtype": dtype, "shape": list(shape), "names": named}


def _keys(prefix: str, names: Iterable[str]) -> dict[str, str]:
    """Return the key of each camera or sensor, whose name may be a topic."""
    keys: dict[str, str] = {}
    for name in names:
        plain = name.strip("/").replace("/", "_")
        key = plain if plain.startswith(OBSERVATION) else f"{prefix}{plain}"
        if key in keys.values():
            raise EpisodeError(f"two names become the key {key}: select one of them")
        keys[name] = key
    return keys
