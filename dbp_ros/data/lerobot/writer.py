"""Export of episodes as a LeRobot data set of version 3.0."""

import json
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow
import pyarrow.parquet as parquet

from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.data.exports import LeRobotExport, Report
from dbp_ros.data.lerobot.files import DataFiles, VideoFiles, task_table
from dbp_ros.data.lerobot.layout import (
    DATA_BYTES,
    DATA_PATH,
    EPISODE,
    EPISODES_PATH,
    FILES_PER_CHUNK,
    INFO_PATH,
    STATISTICS_PATH,
    TASKS_PATH,
    VIDEO_BYTES,
    VIDEO_PATH,
)
from dbp_ros.data.lerobot.schema import (
    camera_keys,
    fps_of,
    number_features,
    number_rows,
    rate_of,
    to_cells,
    to_column,
)
from dbp_ros.data.lerobot.statistics import FeatureStatistics
from dbp_ros.data.lerobot.video_encoding import PIXEL_FORMAT, Encoding, VideoCodec, find_codec
from dbp_ros.data.spec import SetSpec, spec_of
from dbp_ros.data.uniform_episodes import uniform_episodes
from dbp_ros.errors import EpisodeError
from dbp_ros.files import atomic_folder, write_text

MEBIBYTE = 1 << 20


def write_lerobot(
    episodes: EpisodeSet,
    directory: Path,
    config: LeRobotExport,
    robot_type: str = "",
    report: Report = lambda written: None,
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
    found = uniform_episodes(episodes)
    first = next(found)
    with atomic_folder(directory) as folder:
        with LeRobotWriter(folder, spec_of(first), config) as writer:
            for index, episode in enumerate(chain([first], found)):
                try:
                    writer.add(episode)
                except EpisodeError as error:
                    name = episodes.names[index]
                    raise EpisodeError(f"{episodes.origin}, {name}: {error}") from error
                report(index + 1)
        writer.write_metadata(robot_type)


class LeRobotWriter:
    """Files of a LeRobot data set that is being written."""

    def __init__(self, folder: Path, spec: SetSpec, config: LeRobotExport) -> None:
        """Prepare the files.

        Args:
            folder: An empty folder.
            spec: What all episodes have in common.
            config: How images are stored.

        Raises:
            EpisodeError: If PyAV cannot encode the videos, or two cameras get the same key.
        """
        self._folder, self._spec = folder, spec
        self._rate_hz = rate_of(spec.step_s)
        self._keys = camera_keys(spec.images)
        self._numbers = number_features(spec)
        self._codec = find_codec(config.codec) if config.images_as == "video" else None
        self._data = DataFiles(folder)
        self._videos: dict[str, VideoFiles] = {}
        if self._codec is not None:
            crf = self._codec.crf if config.crf is None else config.crf
            encoding = Encoding(self._codec, crf, self._rate_hz)
            self._videos = {key: VideoFiles(folder, key, encoding) for key in self._keys.values()}
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
            EpisodeError: If its images cannot be encoded.
        """
        index, steps = len(self._records), len(episode)
        task = self._tasks.setdefault(episode.task, len(self._tasks))
        values = number_rows(episode, index, self._rows, task)
        images = {key: episode.images[camera] for camera, key in self._keys.items()}
        columns = {key: to_column(rows) for key, rows in values.items()}
        if self._codec is None:
            columns |= {key: to_cells(pixels) for key, pixels in images.items()}
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
            "fps": fps_of(self._rate_hz),
            "splits": {"train": f"0:{len(self._records)}"},
            "data_path": DATA_PATH,
            "video_path": VIDEO_PATH if self._videos else None,
            "features": self._numbers | self._cameras(),
        }

    def _cameras(self) -> dict[str, dict[str, Any]]:
        names = ["height", "width", "channels"]
        features: dict[str, dict[str, Any]] = {}
        for camera, key in self._keys.items():
            shape = self._spec.images[camera]
            feature: dict[str, Any] = {"dtype": "image", "shape": list(shape), "names": names}
            if self._codec is not None:
                feature |= {"dtype": "video", "info": self._video_info(self._codec, shape)}
            features[key] = feature
        return features

    def _video_info(self, codec: VideoCodec, shape: tuple[int, ...]) -> dict[str, Any]:
        return {
            "video.height": shape[0],
            "video.width": shape[1],
            "video.codec": codec.name,
            "video.pix_fmt": PIXEL_FORMAT,
            "video.is_depth_map": False,
            "video.fps": fps_of(self._rate_hz),
            "video.channels": 3,
            "has_audio": False,
        }
