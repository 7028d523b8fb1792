"""Demonstrations in Parquet files, laid out as LeRobot v3 documents it.

`meta/info.json` describes the columns, `meta/episodes/` says in which file of `data/` each
episode's rows are; a file holds many episodes. Pictures are read where they are kept as pictures:
video is not decoded.
"""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
from PIL import Image as Picture

from dbp_ros.data.episode import Episode
from dbp_ros.data.hashing import files_sha256
from dbp_ros.data.importing import Layout, Values, assemble
from dbp_ros.data.read_errors import locate_errors
from dbp_ros.data.selection import USUAL, Selection, choose, choose_action
from dbp_ros.errors import EpisodeError

STATE = "observation.state"
ACTION = "action"
REWARD = "next.reward"
SUCCESS = "next.success"
SECONDS = "timestamp"
EPISODE = "episode_index"
FRAME = "frame_index"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
RECORD = (EPISODE, "length", "data/chunk_index", "data/file_index")


class LeRobotFolder:
    """The episodes of one folder, by index.

    The state is `observation.state`, the action `action`, the cameras every feature of pictures
    that is not a map of depths. Columns have the names of `info.json` where each has its own.
    """

    def __init__(self, path: Path, selection: Selection = USUAL) -> None:
        """Read what is the same for all episodes, and where each one is.

        Raises:
            EpisodeError: If the folder is damaged, empty or of another version, a key is not
                there, or a camera is kept as video.
        """
        self.origin = str(path)
        self._path = path
        with locate_errors(self.origin):
            info = json.loads((path / "meta" / "info.json").read_text(encoding="utf-8"))
            _refuse_other_version(info)
            self._features: dict[str, dict[str, Any]] = info["features"]
            self._data_path: str = info.get("data_path") or DATA_PATH
            self._layout = _layout(self._features, selection, 1 / info["fps"])
            self._records = _records(path)
        self.names = tuple(f"episode {record[EPISODE]}" for record in self._records)

    def __len__(self) -> int:
        return len(self._records)

    def read(self, index: int) -> Episode:
        """Read one episode; see `EpisodeSet`."""
        record = self._records[index]
        with locate_errors(f"{self.origin}, episode {record[EPISODE]}"):
            rows = self._rows(record)
            succeeded = None
            if SUCCESS in self._features:
                succeeded = bool(_numbers(rows, SUCCESS).any())
            task = ", ".join(record.get("tasks") or ()) or "unknown"
            return assemble(lambda key: self._array(rows, key), self._layout, task, succeeded)

    def _rows(self, record: dict[str, Any]) -> Any:
        """Return the episode's rows of the columns that are needed, in order of time."""
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
                f"{path.name} has {len(rows)} rows of it, expected {record['length']} as "
                "meta/episodes says: copy the data set again"
            )
        return rows

    def _array(self, rows: Any, key: str) -> Values:
        if self._features[key]["dtype"] != "image":
            return _numbers(rows, key)
        cells = enumerate(rows.column(key).to_pylist())
        return np.stack([self._pixels(key, step, cell) for step, cell in cells])

    def _pixels(self, key: str, step: int, cell: dict[str, Any]) -> Values:
        kept = cell["bytes"]
        source = io.BytesIO(kept) if kept else self._path / cell["path"]
        with locate_errors(f"{key} at step {step}"), Picture.open(source) as picture:
            if picture.mode[0] in "IF":
                raise EpisodeError(f"is a map of depths ({picture.mode}): choose cameras in colour")
            return np.asarray(picture.convert("RGB"))

    def sha256(self) -> str:
        """Return the sha256 over the sorted sha256 of the files below meta/ and data/."""
        found = [*(self._path / "meta").rglob("*"), *(self._path / "data").rglob("*")]
        return files_sha256(path for path in found if path.is_file())


def _refuse_other_version(info: dict[str, Any]) -> None:
    version = str(info.get("codebase_version"))
    if not version.startswith("v3."):
        raise EpisodeError(
            f"codebase_version is {version}, expected v3.0: convert it with LeRobot's converter"
        )
    if not info["fps"] > 0:
        raise EpisodeError(f"fps is {info['fps']}, expected a rate above 0")


def _records(path: Path) -> list[dict[str, Any]]:
    """Return where each episode is, in order of their indices."""
    records: list[dict[str, Any]] = []
    for file in sorted((path / "meta" / "episodes").glob("*/*.parquet")):
        there = parquet.read_schema(file).names
        missing = [column for column in RECORD if column not in there]
        if missing:
            raise EpisodeError(f"{file.relative_to(path)} has no column {missing[0]}")
        columns = [*RECORD, *(column for column in ("tasks",) if column in there)]
        records += parquet.read_table(file, columns=columns, partitioning=None).to_pylist()
    if not records:
        raise EpisodeError("meta/episodes lists no episode, expected one at least")
    return sorted(records, key=lambda record: int(record[EPISODE]))


def _layout(features: dict[str, dict[str, Any]], selection: Selection, step_s: float) -> Layout:
    seen = {key for key, one in features.items() if one["dtype"] in ("image", "video")}
    numbers = set(features) - seen
    colour = sorted(key for key in seen if not _shows_depth(features[key]))
    images = choose("images", selection.images, colour, seen)
    for key in images:
        if features[key]["dtype"] == "video":
            raise EpisodeError(
                f"{key} is kept as video, which is not decoded: select no images, or convert it "
                "to a feature of dtype image"
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


def _shows_depth(feature: dict[str, Any]) -> bool:
    info = feature.get("info") or {}
    return bool(info.get("is_depth_map") or info.get("video.is_depth_map"))


def _names(names: Any) -> tuple[str, ...]:
    """Return the names of columns from a list, lists by kind, or positions by name."""
    if isinstance(names, dict):
        if all(isinstance(value, int) for value in names.values()):
            return tuple(sorted(names, key=lambda name: int(names[name])))
        names = [name for part in names.values() for name in part]
    return tuple(str(name) for name in names or ())


def _numbers(rows: Any, key: str) -> Values:
    return np.asarray(rows.column(key).to_pylist())
