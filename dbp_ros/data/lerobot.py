"""Data sets of LeRobot v3.

`meta/info.json` describes the columns, `meta/episodes/` lists the file of `data/` with the rows of
each episode; a file holds many episodes. Features of dtype `image` are read, `video` is not.
"""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
from PIL import Image as PilImage

from dbp_ros.data.episode import Episode
from dbp_ros.data.episode_set import RowShape
from dbp_ros.data.hashing import files_sha256
from dbp_ros.data.importing import Layout, Values, make_episode
from dbp_ros.data.read_errors import error_context
from dbp_ros.data.selection import DEFAULT_SELECTION, Selection, choose, choose_action
from dbp_ros.errors import EpisodeError

STATE = "observation.state"
ACTION = "action"
REWARD = "next.reward"
SUCCESS = "next.success"
SECONDS = "timestamp"
EPISODE = "episode_index"
FRAME = "frame_index"
# Features that locate a row in the data set.
INDICES = {EPISODE, FRAME, "index", "task_index"}
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
RECORD_COLUMNS = (EPISODE, "length", "data/chunk_index", "data/file_index")


class LeRobotFolder:
    """The episodes of one folder, by index.

    By default the state is `observation.state`, the action `action`, and the cameras all features
    of images except depth maps. Columns have the names of `info.json` if these are unique.
    """

    def __init__(self, path: Path, selection: Selection = DEFAULT_SELECTION) -> None:
        """Read the features and the list of episodes.

        Raises:
            EpisodeError: If the folder is damaged, empty or of another version, a key is missing,
                or a camera is stored as video.
        """
        self.origin = str(path)
        self._path = path
        with error_context(self.origin):
            info = json.loads((path / "meta" / "info.json").read_text(encoding="utf-8"))
            _check_version(info)
            self._features: dict[str, dict[str, Any]] = info["features"]
            self._data_path: str = info.get("data_path") or DATA_PATH
            self._layout = _layout(self._features, selection, 1 / info["fps"])
            self._records = _records(path)
            self.unused = self._layout.unused(_row_shapes(self._features))
        self.names = tuple(f"episode {record[EPISODE]}" for record in self._records)

    def __len__(self) -> int:
        return len(self._records)

    def read(self, index: int) -> Episode:
        """Read one episode; see `EpisodeSet`."""
        record = self._records[index]
        with error_context(f"{self.origin}, episode {record[EPISODE]}"):
            rows = self._rows(record)
            success = None
            if SUCCESS in self._features:
                success = bool(_to_array(rows, SUCCESS).any())
            task = ", ".join(record.get("tasks") or ()) or "unknown"
            return make_episode(lambda key: self._array(rows, key), self._layout, task, success)

    def _rows(self, record: dict[str, Any]) -> Any:
        """Return the rows of an episode with the needed columns, in order of time."""
        layout = self._layout
        needed = {EPISODE, FRAME, *layout.state, layout.action, *layout.images, *layout.points}
        needed |= {layout.rewards, layout.seconds} - {""} | {SUCCESS} & set(self._features)
        path = self._path / self._data_path.format(
            chunk_index=record["data/chunk_index"], file_index=record["data/file_index"]
        )
        missing = needed - set(parquet.read_schema(path).names)
        if missing:
            raise EpisodeError(f"{path.name} has no column {sorted(missing)[0]}")
        rows = parquet.read_table(
            path,
            columns=sorted(needed),
            filters=[(EPISODE, "=", record[EPISODE])],
            partitioning=None,
        ).sort_by(FRAME)
        if len(rows) != record["length"]:
            raise EpisodeError(
                f"{path.name} has {len(rows)} rows of the episode, expected {record['length']} as "
                "in meta/episodes: copy the data set again"
            )
        return rows

    def _array(self, rows: Any, key: str) -> Values:
        if self._features[key]["dtype"] != "image":
            return _to_array(rows, key)
        cells = enumerate(rows.column(key).to_pylist())
        return np.stack([self._pixels(key, step, cell) for step, cell in cells])

    def _pixels(self, key: str, step: int, cell: dict[str, Any]) -> Values:
        encoded = cell["bytes"]
        source = io.BytesIO(encoded) if encoded else self._path / cell["path"]
        with error_context(f"{key} at step {step}"), PilImage.open(source) as image:
            if image.mode[0] in "IF":
                raise EpisodeError(f"is a depth map ({image.mode}): choose cameras in colour")
            return np.asarray(image.convert("RGB"))

    def sha256(self) -> str:
        """Return the sha256 over the sorted sha256 of the files below meta/ and data/."""
        found = [*(self._path / "meta").rglob("*"), *(self._path / "data").rglob("*")]
        return files_sha256(path for path in found if path.is_file())


def _check_version(info: dict[str, Any]) -> None:
    version = str(info.get("codebase_version"))
    if not version.startswith("v3."):
        raise EpisodeError(
            f"codebase_version is {version}, expected v3.0: convert it with LeRobot's converter"
        )
    if not info["fps"] > 0:
        raise EpisodeError(f"fps is {info['fps']}, expected a rate above 0")


def _records(path: Path) -> list[dict[str, Any]]:
    """Return the records of all episodes, in order of their indices."""
    records: list[dict[str, Any]] = []
    for file in sorted((path / "meta" / "episodes").glob("*/*.parquet")):
        available = parquet.read_schema(file).names
        missing = [column for column in RECORD_COLUMNS if column not in available]
        if missing:
            raise EpisodeError(f"{file.relative_to(path)} has no column {missing[0]}")
        columns = [*RECORD_COLUMNS, *(column for column in ("tasks",) if column in available)]
        records += parquet.read_table(file, columns=columns, partitioning=None).to_pylist()
    if not records:
        raise EpisodeError("meta/episodes lists no episode, expected at least one")
    return sorted(records, key=lambda record: int(record[EPISODE]))


def _layout(features: dict[str, dict[str, Any]], selection: Selection, step_s: float) -> Layout:
    cameras = {key for key, feature in features.items() if feature["dtype"] in ("image", "video")}
    numbers = set(features) - cameras
    colour = sorted(key for key in cameras if not _is_depth_map(features[key]))
    images = choose("images", selection.images, colour, cameras)
    for key in images:
        if features[key]["dtype"] == "video":
            raise EpisodeError(
                f"{key} is stored as video, which is not supported: select no images, or convert "
                "it to a feature of dtype image"
            )
    return Layout(
        state=choose("state", selection.state, (STATE,), numbers),
        action=choose_action(selection.action, ACTION, numbers),
        images=images,
        points=choose("points", selection.points, (), numbers),
        step_s=step_s,
        rewards=REWARD if REWARD in features else "",
        seconds=SECONDS if SECONDS in features else "",
        columns={key: _names(features[key].get("names")) for key in numbers},
    )


def _row_shapes(features: dict[str, dict[str, Any]]) -> dict[str, RowShape]:
    """Return the shape of a row of each feature except indices."""
    named = {key: feature for key, feature in features.items() if key not in INDICES}
    return {key: tuple(map(int, feature["shape"])) for key, feature in named.items()}


def _is_depth_map(feature: dict[str, Any]) -> bool:
    info = feature.get("info") or {}
    return bool(info.get("is_depth_map") or info.get("video.is_depth_map"))


def _names(names: Any) -> tuple[str, ...]:
    """Return the column names from a list, lists by group, or column indices by name."""
    if isinstance(names, dict):
        if all(isinstance(value, int) for value in names.values()):
            return tuple(sorted(names, key=lambda name: int(names[name])))
        names = [name for part in names.values() for name in part]
    return tuple(str(name) for name in names or ())


def _to_array(rows: Any, key: str) -> Values:
    return np.asarray(rows.column(key).to_pylist())
