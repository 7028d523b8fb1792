"""Metadata of LeRobot data sets, versions 2 and 3."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from dbp_ros.data.lerobot.layout import (
    DATA_PATH,
    EPISODE,
    FILES_PER_CHUNK,
    INFO_PATH,
    TASK,
    TASKS_PATH,
    V2_DATA_PATH,
    V2_EPISODES_PATH,
    V2_TASKS_PATH,
    V2_VIDEO_PATH,
    VIDEO_PATH,
)
from dbp_ros.data.lerobot.video import VideoSegment
from dbp_ros.errors import EpisodeError

LENGTH, TASKS = "length", "tasks"
DATA_COLUMNS = ("data/chunk_index", "data/file_index")
# Columns `videos/<key>/...` of a camera.
VIDEO_COLUMNS = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")


@dataclass(frozen=True)
class EpisodeRecord:
    """Where one episode is stored.

    Attributes:
        index: Value of `episode_index` in its rows.
        length: Number of rows.
        tasks: Texts of its tasks; empty if the metadata name none.
        data: Parquet file with its rows.
        videos: Video of each chosen camera of dtype `video`.
    """

    index: int
    length: int
    tasks: tuple[str, ...]
    data: Path
    videos: Mapping[str, VideoSegment]


def read_info(folder: Path) -> dict[str, Any]:
    """Return the content of `meta/info.json`.

    Raises:
        EpisodeError: If the version is not 2 or 3, the rate is not a number above 0, or the list
            of features is missing.
    """
    info: dict[str, Any] = json.loads((folder / INFO_PATH).read_text(encoding="utf-8"))
    version = str(info.get("codebase_version"))
    if not version.startswith(("v2.", "v3.")):
        raise EpisodeError(
            f"codebase_version is {version}, expected v2.0, v2.1 or v3.0: convert it with "
            "LeRobot's converter"
        )
    rate_hz = info.get("fps")
    if not isinstance(rate_hz, int | float) or not rate_hz > 0:
        raise EpisodeError(f"fps is {rate_hz!r}, expected a rate above 0: correct {INFO_PATH}")
    if not isinstance(info.get("features"), dict):
        raise EpisodeError(f"{INFO_PATH} has no features: copy the data set again")
    return info


def read_records(
    folder: Path, info: Mapping[str, Any], cameras: Iterable[str]
) -> list[EpisodeRecord]:
    """Return where each episode is stored, in order of their indices.

    Args:
        folder: The data set.
        info: Content of `meta/info.json`.
        cameras: Keys of the chosen cameras of dtype `video`.

    Raises:
        EpisodeError: If the list is empty or lacks a column.
    """
    keys = tuple(cameras)
    records = _v2_records(folder, info, keys) if _is_v2(info) else _v3_records(folder, info, keys)
    if not records:
        raise EpisodeError("meta/episodes lists no episode, expected at least one")
    return sorted(records, key=lambda record: record.index)


def read_tasks(folder: Path, info: Mapping[str, Any]) -> dict[int, str]:
    """Return the text of each task by its index; empty if there is no list of tasks."""
    path = folder / (V2_TASKS_PATH if _is_v2(info) else TASKS_PATH)
    if not path.is_file():
        return {}
    if _is_v2(info):
        return {int(row[TASK]): str(row["task"]) for row in _json_lines(path)}
    rows = parquet.read_table(path, partitioning=None).to_pylist()
    # The text is the index of a table of pandas, whose column has no fixed name.
    return {int(row[TASK]): str(value) for row in rows for key, value in row.items() if key != TASK}


def _is_v2(info: Mapping[str, Any]) -> bool:
    return str(info["codebase_version"]).startswith("v2.")


def _v2_records(
    folder: Path, info: Mapping[str, Any], keys: tuple[str, ...]
) -> list[EpisodeRecord]:
    data_path = info.get("data_path") or V2_DATA_PATH
    video_path = info.get("video_path") or V2_VIDEO_PATH
    chunks_size = int(info.get("chunks_size") or FILES_PER_CHUNK)
    records = []
    for row in _json_lines(folder / V2_EPISODES_PATH):
        index = int(row[EPISODE])
        place = {"episode_chunk": index // chunks_size, "episode_index": index}
        videos = {key: folder / video_path.format(video_key=key, **place) for key in keys}
        record = EpisodeRecord(
            index=index,
            length=int(row[LENGTH]),
            tasks=_texts(row),
            data=folder / data_path.format(**place),
            videos={key: VideoSegment(path) for key, path in videos.items()},
        )
        records.append(record)
    return records


def _v3_records(
    folder: Path, info: Mapping[str, Any], keys: tuple[str, ...]
) -> list[EpisodeRecord]:
    data_path = info.get("data_path") or DATA_PATH
    records = []
    for row in _v3_rows(folder, keys):
        chunk_index, file_index = (row[column] for column in DATA_COLUMNS)
        record = EpisodeRecord(
            index=int(row[EPISODE]),
            length=int(row[LENGTH]),
            tasks=_texts(row),
            data=folder / data_path.format(chunk_index=chunk_index, file_index=file_index),
            videos={key: _v3_segment(folder, info, row, key) for key in keys},
        )
        records.append(record)
    return records


def _v3_rows(folder: Path, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the needed columns of `meta/episodes/`; there are many more of statistics."""
    videos = [f"videos/{key}/{column}" for key in keys for column in VIDEO_COLUMNS]
    required = [EPISODE, LENGTH, *DATA_COLUMNS, *videos]
    rows: list[dict[str, Any]] = []
    for file in sorted((folder / "meta" / "episodes").glob("*/*.parquet")):
        available = parquet.read_schema(file).names
        missing = [column for column in required if column not in available]
        if missing:
            raise EpisodeError(f"{file.relative_to(folder)} has no column {missing[0]}")
        columns = required + [TASKS] * (TASKS in available)
        rows += parquet.read_table(file, columns=columns, partitioning=None).to_pylist()
    return rows


def _v3_segment(
    folder: Path, info: Mapping[str, Any], row: Mapping[str, Any], key: str
) -> VideoSegment:
    chunk_index, file_index, start_s, end_s = (
        row[f"videos/{key}/{column}"] for column in VIDEO_COLUMNS
    )
    template = info.get("video_path") or VIDEO_PATH
    path = template.format(video_key=key, chunk_index=chunk_index, file_index=file_index)
    return VideoSegment(folder / path, float(start_s), float(end_s))


def _texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(text) for text in row.get(TASKS) or ())


def _json_lines(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]
