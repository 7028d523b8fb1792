"""Conversion of data sets that continues after an interruption."""

from collections.abc import Collection, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from dbp_ros.data.editing.set_writing import SourceEpisode
from dbp_ros.data.episode import episode_path
from dbp_ros.data.hashing import files_sha256
from dbp_ros.data.labels import labels_path
from dbp_ros.data.unfinished import UNFINISHED_FILE, read_marker, write_marker
from dbp_ros.errors import ConfigError
from dbp_ros.settings.robot_files import robot_file

UNFINISHED_SUFFIX = ".unfinished"


def unfinished_folder(out: Path) -> Path:
    """Return the folder in which a set is written until it is complete."""
    resolved = out.absolute()
    return resolved.with_name(f"{resolved.name}{UNFINISHED_SUFFIX}")


def begin_conversion(folder: Path, episodes: Sequence[SourceEpisode], command: str) -> int:
    """Create a folder for a conversion, or keep what an interrupted one has finished in it.

    An episode stays if it has the same source, files, label and description of the robot. All
    other files are deleted.

    Args:
        folder: See `unfinished_folder`.
        episodes: Sources of the new episodes, in order.
        command: Command line of the conversion.

    Returns:
        Number of finished episodes.

    Raises:
        ConfigError: If the folder has files, but not of a conversion.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / UNFINISHED_FILE).is_file():
        raise ConfigError(
            f"{folder} has files of something else, expected those of an interrupted conversion: "
            "give another --out"
        )
    states = {data: _state_of_files(data) for data in {one.data for one in episodes}}
    sources = [_source(one, states[one.data]) for one in episodes]
    earlier = read_marker(folder).get("episodes", [])
    same = [old == new for old, new in zip(earlier, sources, strict=False)]
    finished = {episode_path(folder, number) for number, equal in enumerate(same) if equal}
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_file() and path not in finished and path.name != UNFINISHED_FILE:
            path.unlink()
    write_marker(folder, command, sources)
    return sum(path.is_file() for path in finished)


def require_parts(folder: Path, names: Collection[str]) -> None:
    """Require that an unfinished folder has no other parts than those of this conversion.

    Raises:
        ConfigError: If it has.
    """
    found = list(folder.iterdir()) if folder.is_dir() else []
    if others := sorted(path.name for path in found if path.name not in names):
        raise ConfigError(
            f"{folder} has {others[0]}, which is not of this conversion, expected "
            f"{', '.join(names)}: delete it to start again"
        )


def finish_conversion(folder: Path, out: Path, names: Collection[str] = ("",)) -> None:
    """Give a complete set its name, or a folder with a set for each name."""
    if out.exists():
        # It is empty, as was checked before. If not, the markers let the same command continue.
        out.rmdir()
    for name in names:
        (folder / name / UNFINISHED_FILE).unlink()
    folder.rename(out)


def _source(episode: SourceEpisode, state: str) -> dict[str, Any]:
    label = {key: value for key, value in episode.label.to_dict().items() if value is not None}
    where = {"data": str(episode.data.resolve()), "files": state, "name": episode.name}
    robot = episode.selection.robot
    if robot:
        # The selection has its name only.
        where["robot_sha256"] = files_sha256([robot_file(robot)])
    return {**where, "label": label, "selection": episode.selection.to_dict()}


def _state_of_files(data: Path) -> str:
    """Return a hash of names, sizes and times of the files of a set, without its labels."""
    files = sorted(data.rglob("*")) if data.is_dir() else [data]
    digest = sha256()
    for path in files:
        if path.is_file() and path != labels_path(data):
            found = path.stat()
            digest.update(f"{path.name} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
