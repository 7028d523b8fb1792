"""Data sets of LeRobot, versions 2 and 3.

`meta/info.json` describes the features. Version 3 stores many episodes in one parquet file and in
one video per camera, and lists where each is in `meta/episodes/`; version 2 has files for each
episode. Images are in cells of the parquet files (dtype `image`) or in videos (dtype `video`).
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
from PIL import Image as PilImage

from dbp_ros.data.episode import Episode
from dbp_ros.data.hashing import files_sha256
from dbp_ros.data.importing import Values, make_episode
from dbp_ros.data.lerobot.features import IMAGE, VIDEO, layout_of, row_shapes
from dbp_ros.data.lerobot.layout import EPISODE, FRAME, SECONDS, SUCCESS, TASK
from dbp_ros.data.lerobot.metadata import EpisodeRecord, read_info, read_records, read_tasks
from dbp_ros.data.lerobot.video import read_frames
from dbp_ros.data.read_errors import error_context
from dbp_ros.data.row_stamps import stored_step
from dbp_ros.data.selection import DEFAULT_SELECTION, Selection
from dbp_ros.errors import EpisodeError


class LeRobotFolder:
    """The episodes of one folder, by index.

    By default the state is `observation.state`, the action `action`, and the cameras all features
    of images except depth maps. Columns have the names of `info.json` if these are unique. Only
    videos of selected cameras are opened.
    """

    def __init__(self, path: Path, selection: Selection = DEFAULT_SELECTION) -> None:
        """Read the features and the list of episodes.

        Raises:
            EpisodeError: If the folder is damaged, empty or of another version, a key is missing,
                a camera is a depth map, or another step is selected than `fps`.
        """
        self.origin = str(path)
        self._path = path
        with error_context(self.origin):
            info = read_info(path)
            self._features: dict[str, dict[str, Any]] = info["features"]
            step_s = stored_step(1 / info["fps"], selection.step_s)
            self._layout = layout_of(self._features, selection, step_s)
            videos = [key for key in self._layout.images if self._dtype(key) == VIDEO]
            self._records = read_records(path, info, videos)
            is_unnamed = TASK in self._features and not all(one.tasks for one in self._records)
            self._tasks = read_tasks(path, info) if is_unnamed else {}
            self.unused = self._layout.unused(row_shapes(self._features))
        self.names = tuple(f"episode {record.index}" for record in self._records)

    def __len__(self) -> int:
        return len(self._records)

    def read(self, index: int) -> Episode:
        """Read one episode; see `EpisodeSet`."""
        record = self._records[index]
        with error_context(f"{self.origin}, episode {record.index}"):
            rows = self._rows(record)
            success = bool(_to_array(rows, SUCCESS).any()) if SUCCESS in self._features else None
            return make_episode(
                lambda key: self._array(record, rows, key),
                self._layout,
                self._task(record, rows),
                success,
            )

    def _dtype(self, key: str) -> str:
        return str(self._features[key]["dtype"])

    def _rows(self, record: EpisodeRecord) -> Any:
        """Return the rows of an episode with the needed columns, in order of time."""
        layout = self._layout
        stored = {key for key in layout.images if self._dtype(key) != VIDEO}
        needed = {EPISODE, FRAME, *layout.state, *layout.action_keys, *stored, *layout.points}
        needed |= {layout.rewards, layout.seconds, layout.stamps_ns, layout.interventions} - {""}
        needed |= {SUCCESS} & set(self._features)
        needed |= {TASK} if self._tasks and not record.tasks else set()
        path = record.data
        missing = needed - set(parquet.read_schema(path).names)
        if missing:
            raise EpisodeError(f"{path.name} has no column {sorted(missing)[0]}")
        rows = parquet.read_table(
            path,
            columns=sorted(needed),
            filters=[(EPISODE, "=", record.index)],
            partitioning=None,
        ).sort_by(FRAME)
        if len(rows) != record.length:
            raise EpisodeError(
                f"{path.name} has {len(rows)} rows of the episode, expected {record.length} as "
                "in meta/episodes: copy the data set again"
            )
        return rows

    def _task(self, record: EpisodeRecord, rows: Any) -> str:
        """Return the texts of the tasks of an episode, those of its rows if it lists none."""
        texts = record.tasks
        if not texts and self._tasks:
            indices = dict.fromkeys(rows.column(TASK).to_pylist())
            texts = tuple(self._tasks[index] for index in indices)
        return ", ".join(texts) or "unknown"

    def _array(self, record: EpisodeRecord, rows: Any, key: str) -> Values:
        if self._dtype(key) == VIDEO:
            return self._frames(record, rows, key)
        if self._dtype(key) != IMAGE:
            return _to_array(rows, key)
        cells = enumerate(rows.column(key).to_pylist())
        return np.stack([self._pixels(key, step, cell) for step, cell in cells])

    def _frames(self, record: EpisodeRecord, rows: Any, key: str) -> Values:
        step_s = self._layout.step_s
        times_s = step_s * np.arange(len(rows), dtype=np.float64)
        if SECONDS in self._features:
            times_s = _to_array(rows, SECONDS).reshape(len(rows)).astype(np.float64)
        with error_context(key):
            return read_frames(record.videos[key], times_s, tolerance_s=step_s / 2)

    def _pixels(self, key: str, step: int, cell: dict[str, Any]) -> Values:
        encoded = cell["bytes"]
        source = io.BytesIO(encoded) if encoded else self._path / cell["path"]
        with error_context(f"{key} at step {step}"), PilImage.open(source) as image:
            if image.mode[0] in "IF":
                raise EpisodeError(f"is a depth map ({image.mode}): choose cameras in colour")
            return np.asarray(image.convert("RGB"))

    def sha256(self) -> str:
        """Return the sha256 over the sorted sha256 of the files.

        These are the files below meta/ and data/, and the videos of the selected cameras.
        """
        found = [*(self._path / "meta").rglob("*"), *(self._path / "data").rglob("*")]
        videos = {video.path for record in self._records for video in record.videos.values()}
        with error_context(self.origin):
            return files_sha256([*(path for path in found if path.is_file()), *videos])


def _to_array(rows: Any, key: str) -> Values:
    """Return a column of numbers.

    Raises:
        EpisodeError: If a row lacks a value, or has another number of columns than the first.
    """
    values = rows.column(key).to_pylist()
    widths = [len(row) if isinstance(row, list) else int(row is not None) for row in values]
    unlike = next((step for step, width in enumerate(widths) if width != widths[0]), None)
    if unlike is not None:
        raise EpisodeError(
            f"{key} has {widths[unlike]} values at step {unlike}, expected {widths[0]} as at step "
            "0: drop the episode"
        )
    return np.asarray(values)
