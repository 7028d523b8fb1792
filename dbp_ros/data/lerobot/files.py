"""Parquet files and videos of a LeRobot data set, each with the rows of several episodes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet

from dbp_ros.data.lerobot.layout import (
    DATA_BYTES,
    DATA_PATH,
    FILES_PER_CHUNK,
    TASK,
    VIDEO_BYTES,
    VIDEO_PATH,
)
from dbp_ros.data.lerobot.video_encoding import Encoding, VideoWriter
from dbp_ros.types import Image

# Name that pandas gives to the column of an index without a name.
INDEX = "__index_level_0__"


class DataFiles:
    """Files with the rows of the episodes; a new one begins when a file is full."""

    def __init__(self, folder: Path, max_bytes: int = DATA_BYTES) -> None:
        """Prepare the files.

        Args:
            folder: The data set.
            max_bytes: Size after which a file is full.
        """
        self._folder, self._max_bytes = folder, max_bytes
        self._number = 0
        self._writer: Any = None

    def add(self, rows: Any) -> dict[str, int]:
        """Append an episode as a row group, and return the columns that locate it."""
        chunk_index, file_index = divmod(self._number, FILES_PER_CHUNK)
        path = self._folder / DATA_PATH.format(chunk_index=chunk_index, file_index=file_index)
        if self._writer is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = parquet.ParquetWriter(path, rows.schema)
        self._writer.write_table(rows)
        if path.stat().st_size > self._max_bytes:
            self.close()
            self._number += 1
        return {"data/chunk_index": chunk_index, "data/file_index": file_index}

    def close(self) -> None:
        """Complete the current file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class VideoFiles:
    """Videos of one camera; a new one begins when a file is full."""

    def __init__(
        self, folder: Path, key: str, encoding: Encoding, max_bytes: int = VIDEO_BYTES
    ) -> None:
        """Prepare the files.

        Args:
            folder: The data set.
            key: Key of the camera.
            encoding: How to encode.
            max_bytes: Size after which a file is full.
        """
        self._folder, self._key = folder, key
        self._encoding, self._max_bytes = encoding, max_bytes
        self._number = 0
        self._writer: VideoWriter | None = None

    def add(self, images: Image) -> dict[str, float]:
        """Append the images of an episode, and return the columns that locate them.

        Raises:
            EpisodeError: If the codec cannot encode images of this size.
        """
        chunk_index, file_index = divmod(self._number, FILES_PER_CHUNK)
        if self._writer is None:
            path = VIDEO_PATH.format(
                video_key=self._key, chunk_index=chunk_index, file_index=file_index
            )
            height, width = images.shape[1:3]
            self._writer = VideoWriter(self._folder / path, self._encoding, (height, width))
        start, written = self._writer.frames, self._writer
        written.add(images)
        if written.encoded_bytes > self._max_bytes:
            self.close()
            self._number += 1
        located = {
            "chunk_index": chunk_index,
            "file_index": file_index,
            "from_timestamp": float(start / self._encoding.rate_hz),
            "to_timestamp": float(written.frames / self._encoding.rate_hz),
        }
        return {f"videos/{self._key}/{name}": value for name, value in located.items()}

    def close(self, complete: bool = True) -> None:
        """Close the current file.

        Args:
            complete: Whether to write the frames that the encoder still holds.
        """
        if self._writer is not None:
            self._writer.close(complete)
            self._writer = None


def task_table(tasks: Sequence[str]) -> Any:
    """Return the list of tasks: a table of pandas whose index is the text."""
    text = {"pandas_type": "unicode", "numpy_type": "object"}
    names = {"name": None, "field_name": None, **text, "metadata": {"encoding": "UTF-8"}}
    index = {"name": None, "field_name": INDEX, **text, "metadata": None}
    number = {"pandas_type": "int64", "numpy_type": "int64", "metadata": None}
    pandas = {
        "index_columns": [INDEX],
        "column_indexes": [names],
        "columns": [{"name": TASK, "field_name": TASK, **number}, index],
        "creator": {"library": "pyarrow", "version": pyarrow.__version__},
        "pandas_version": "2.2.0",
    }
    table = pyarrow.table({TASK: list(range(len(tasks))), INDEX: list(tasks)})
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})
