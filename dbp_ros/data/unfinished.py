"""Marker of a data set that is still being written."""

import json
from pathlib import Path
from typing import Any

from dbp_ros.errors import EpisodeError
from dbp_ros.files import write_text

UNFINISHED_FILE = "unfinished.json"


def read_marker(folder: Path) -> dict[str, Any]:
    """Return the command and the episodes of an unfinished set; empty if there is none."""
    path = folder / UNFINISHED_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError:
        content = {}
    return content if isinstance(content, dict) else {}


def write_marker(folder: Path, command: str, episodes: list[dict[str, Any]]) -> None:
    """Mark a set as unfinished.

    Args:
        folder: The set.
        command: Command line that finishes it.
        episodes: Source of each of its episodes, in order.
    """
    content = {"command": command, "episodes": episodes}
    write_text(folder / UNFINISHED_FILE, json.dumps(content, indent=1))


def require_finished(path: Path) -> None:
    """Require that a data set is complete.

    Raises:
        EpisodeError: If it is still being written, with the command that finishes it.
    """
    if (path / UNFINISHED_FILE).is_file():
        command = read_marker(path).get("command", "the command that wrote it")
        raise EpisodeError(
            f"{path} is not complete, as its command was interrupted: run again: {command}"
        )
