"""Export of episodes as a LeRobot data set of version 3.0."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import pyarrow
import pyarrow.parquet as parquet

from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.data.lerobot_files import DataFiles, VideoFiles, task_table
from dbp_ros.data.lerobot_layout import (
    DATA_BYTES,
    DATA_PATH,
    EPISODE,
    EPISODES_PATH,
    FILES_PER_CHUNK,
    IMAGES,
    INFO_PATH,
    STATISTICS_PATH,
    TASKS_PATH,
    VIDEO_BYTES,
    VIDEO_PATH,
)
from dbp_ros.data.lerobot_schema import LeRobotSchema, feature_key, to_cells, to_column
from dbp_ros.data.lerobot_statistics import FeatureStatistics
from dbp_ros.data.video_encoding import PIXEL_FORMAT, VideoCodec, find_codec
from dbp_ros.errors import EpisodeError
from dbp_ros.files import atomic_folder, write_text
from dbp_ros.settings.fields import Settings, setting

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class LeRobotExport(Settings):
    """How images are stored."""

    images_as: Literal["video", "png"] = setting(
        "video", "images of cameras: video is small and lossy, png is exact"
    )
    codec: Literal["auto", "av1", "h264"] = setting(
        "auto", "codec of the videos; auto is the first that this PyAV can encode"
    )
    crf: int | None = setting(
        None, "constant rate factor of the videos, more is smaller and worse", ge=0, le=51
    )


def write_lerobot(
    episodes: EpisodeSet,
    directory: Path,
    config: LeRobotExport,
    robot_type: str = "",
    report: Callable[[int], None] = lambda written: None,
) -> None:
    """Write a set as a folder of LeRobot v3.0, which replaces an older folder when complete.

    Args:
        episodes: The set.
        directory: Folder to write.
        config: How images are stored.
        robot_type: Name of the robot; empty if unknown.
        report: Called with the number of episodes written.

    Raises:
        EpisodeError: If an episode is damaged or differs from the first, or its images cannot be
            encoded.
    """
    if not episodes.names:
        raise EpisodeError(f"{episodes.origin} has no episode, expected at least one")
    with atomic_folder(directory) as folder:
        first = episodes.read(0)
        with LeRobotWriter(folder, LeRobotSchema.of(first), config) as writer:
            for index, name in enumerate(episodes.names):
                episode = episodes.read(index) if index else first
                try:
                    writer.add(episode)
                except EpisodeError as error:
                    raise EpisodeError(f"{episodes.origin}, {name}: {error}") from error
                report(index + 1)
        writer.write_metadata(robot_type)


class LeRobotWriter:
    """Files of a LeRobot data set that is being written."""

    def __init__(self, folder: Path, schema: LeRobotSchema, config: LeRobotExport) -> None:
        """Prepare the files.

        Args:
            folder: An empty folder.
            schema: What all episodes have in common.
            config: How images are stored.

        Raises:
            EpisodeError: If PyAV cannot encode the videos.
        """
        self._folder, self._schema = folder, schema
        self._codec = find_codec(config.codec) if config.images_as == "video" else None
        self._data = DataFiles(folder)
        self._videos: dict[str, VideoFiles] = {}
        if self._codec is not None:
            crf = self._codec.crf if config.crf is None else config.crf
            for camera, size in schema.cameras.items():
                key = feature_key(IMAGES, camera)
                self._videos[key] = VideoFiles(folder, key, self._codec, crf, schema.rate_hz, size)
        self._statistics = FeatureStatistics()
        self._records: list[dict[str, Any]] = []
        self._tasks: dict[str, int] = {}
        self._rows = 0

    def __enter__(self) -> "LeRobotWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        raised: TracebackType | None,
    ) -> None:
        self._data.close()
        for videos in self._videos.values():
            videos.close(complete=kind is None)

    def add(self, episode: Episode) -> None:
        """Append an episode.

        Raises:
            EpisodeError: If it differs from the others.
        """
        self._schema.check(episode)
        index, steps = len(self._records), len(episode)
        task = self._tasks.setdefault(episode.task, len(self._tasks))
        values = self._schema.values(episode, index, self._rows, task)
        images = {feature_key(IMAGES, name): pixels for name, pixels in episode.images.items()}
        columns = {key: to_column(rows) for key, rows in values.items()}
        columns |= {
            key: to_cells(pixels) for key, pixels in images.items() if key not in self._videos
        }
        record = {EPISODE: index, "tasks": [episode.task], "length": steps}
        record |= self._data.add(pyarrow.table(columns))
        record |= {"dataset_from_index": self._rows, "dataset_to_index": self._rows + steps}
        for key, videos in self._videos.items():
            record |= videos.add(images[key])
        for key, statistics in self._statistics.add(values, images).items():
            record |= {f"stats/{key}/{name}": value for name, value in statistics.items()}
        record |= {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
        self._records.append(record)
        self._rows += steps

    def write_metadata(self, robot_type: str) -> None:
        """Write the folder `meta` after the last episode."""
        path = self._folder / EPISODES_PATH.format(chunk_index=0, file_index=0)
        path.parent.mkdir(parents=True)
        parquet.write_table(pyarrow.Table.from_pylist(self._records), path)
        parquet.write_table(task_table(list(self._tasks)), self._folder / TASKS_PATH)
        statistics, info = self._statistics.total(), self._info(robot_type)
        for name, content in ((STATISTICS_PATH, statistics), (INFO_PATH, info)):
            write_text(self._folder / name, json.dumps(content, indent=4, ensure_ascii=False))

    def _info(self, robot_type: str) -> dict[str, Any]:
        return {
            "codebase_version": "v3.0",
            "robot_type": robot_type or None,
            "total_episodes": len(self._records),
            "total_frames": self._rows,
            "total_tasks": len(self._tasks),
            "chunks_size": FILES_PER_CHUNK,
            "data_files_size_in_mb": DATA_BYTES // MEBIBYTE,
            "video_files_size_in_mb": VIDEO_BYTES // MEBIBYTE,
            "fps": self._schema.fps,
            "splits": {"train": f"0:{len(self._records)}"},
            "data_path": DATA_PATH,
            "video_path": VIDEO_PATH if self._videos else None,
            "features": self._schema.numbers() | self._cameras(),
        }

    def _cameras(self) -> dict[str, dict[str, Any]]:
        names = ["height", "width", "channels"]
        features = {}
        for camera, size in self._schema.cameras.items():
            feature: dict[str, Any] = {"dtype": "image", "shape": [*size, 3], "names": names}
            if self._codec is not None:
                feature |= {"dtype": "video", "info": _video_info(self._codec, size, self._schema)}
            features[feature_key(IMAGES, camera)] = feature
        return features


def _video_info(codec: VideoCodec, size: tuple[int, int], schema: LeRobotSchema) -> dict[str, Any]:
    return {
        "video.height": size[0],
        "video.width": size[1],
        "video.codec": codec.name,
        "video.pix_fmt": PIXEL_FORMAT,
        "video.is_depth_map": False,
        "video.fps": schema.fps,
        "video.channels": 3,
        "has_audio": False,
    }
